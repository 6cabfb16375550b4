"""The API of giving alerts to somebody."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.api import alert_decided_about
from alerts.selectors import alert_get, assignable
from alerts.serializers import AlertDetailSerializer, Note
from alerts.services.assignment import alerts_assign
from devices.authentication import person
from devices.errors import ApiError
from devices.models import User

if TYPE_CHECKING:
    from rest_framework.request import Request


class Assignee(Note):
    """To whom."""

    to = serializers.CharField(
        max_length=64, allow_null=True, help_text="The name of somebody who watches this person; null: nobody."
    )


class Assign(APIView):
    """Give an alert to somebody; its triage stays as it is."""

    @extend_schema(request=Assignee, responses=AlertDetailSerializer, tags=["alerts"])
    def post(self, request: "Request", alert_id: UUID) -> Response:
        by = person(request)
        alert = alert_decided_about(by, alert_id)
        given = Assignee(data=request.data)
        given.is_valid(raise_exception=True)
        to = _person(by, given.validated_data["to"])
        given_to = alerts_assign(alerts=[alert], to=to, by=by, at=timezone.now(), note=given.validated_data["note"])
        if given_to.refused:
            refusal = given_to.refused[0]
            raise ApiError(status.HTTP_400_BAD_REQUEST, refusal.code, refusal.message, fields={"to": [refusal.message]})
        return Response(AlertDetailSerializer(alert_get(user=by, alert_id=alert.pk)).data)


def _person(by: User, name: str | None) -> User | None:
    """One of those whom `by` may give alerts to, whoever else there is."""
    if name is None:
        return None
    found = assignable(user=by, only=name)
    if not found:
        raise ValidationError({"to": ["There is nobody of that name who watches somebody you see."]})
    return found[0]
