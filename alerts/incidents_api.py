"""The API of incidents: which alerts of a person belong together. Read only: `alerts.notify.incidents` makes them."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.models import Incident, IncidentMember
from alerts.models.alert import AlertClass, EpisodeState, Severity, Triage
from alerts.models.incident import IncidentState
from devices.authentication import person
from devices.fields import AwareDateTimeField
from devices.models import Look
from devices.paging import KeysetPagination
from devices.rights.looks import look_note

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

MOST_MEMBERS = 1000


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    """Alerts of one person and class that overlap in time. `severity` is the worst of those that somebody was told of;
    `loud`: there is one; `merged_into`: the incident that it became a part of."""

    user_id = serializers.CharField(
        source="user.username", default=None, allow_null=True, help_text="Null: it is of the pipeline, and nobody's."
    )
    state = serializers.ChoiceField(choices=IncidentState.choices)
    severity = serializers.ChoiceField(choices=Severity.choices)
    merged_into = serializers.UUIDField(source="merged_into_id", allow_null=True)

    class Meta:
        model = Incident
        fields = [
            "incident_id", "user_id", "state", "severity", "loud", "started_at", "ended_at", "merged_into",
            "noticed_at", "changed_at",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`class` is no name in Python."""
        named = serializers.ChoiceField(choices=AlertClass.choices, source="alert_class")
        return super().get_fields() | {"class": named}


class MemberSerializer(serializers.ModelSerializer[IncidentMember]):
    """An alert of an incident; a withdrawn one stays where it was, and counts no more."""

    alert_id = serializers.UUIDField(source="pk")
    title = serializers.CharField(source="alert.title")
    severity = serializers.ChoiceField(choices=Severity.choices, source="alert.severity")
    episode = serializers.ChoiceField(choices=EpisodeState.choices)
    status = serializers.ChoiceField(choices=Triage.choices, source="triage")

    class Meta:
        model = IncidentMember
        fields = ["alert_id", "title", "severity", "episode", "status", "quiet", "started_at", "ended_at"]


class IncidentDetailSerializer(IncidentSerializer):
    """With its alerts, the first first, 1,000 at most."""

    alerts = serializers.SerializerMethodField()

    class Meta(IncidentSerializer.Meta):
        fields = [*IncidentSerializer.Meta.fields, "alerts"]

    def get_alerts(self, incident: Incident) -> list[dict[str, Any]]:
        members = incident.members.select_related("alert").order_by("started_at", "pk")[:MOST_MEMBERS]
        return list(MemberSerializer(members, many=True).data)


class IncidentQuery(serializers.Serializer[None]):
    """Which ones. What may be given more than once means any of them."""

    user_id = serializers.CharField(required=False, max_length=64)
    state = serializers.MultipleChoiceField(choices=IncidentState.choices, required=False)
    severity = serializers.MultipleChoiceField(choices=Severity.choices, required=False)
    since = AwareDateTimeField(required=False, help_text="Begun at this time or after it.")
    until = AwareDateTimeField(required=False, help_text="Begun before this time.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`class` is no name in Python."""
        named = serializers.MultipleChoiceField(choices=AlertClass.choices, required=False)
        return super().get_fields() | {"class": named}


_LOOKUPS = {
    "user_id": "user__username", "state": "state__in", "severity": "severity__in", "class": "alert_class__in",
    "since": "started_at__gte", "until": "started_at__lt",
}  # fmt: skip


class IncidentList(generics.ListAPIView[Incident]):
    """The incidents of the people you may see, the latest first."""

    serializer_class = IncidentSerializer
    pagination_class = KeysetPagination
    keyset = ("-started_at", "incident_id")

    @extend_schema(parameters=[IncidentQuery], tags=["incidents"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Incident]":
        query = IncidentQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = {_LOOKUPS[name]: value for name, value in query.validated_data.items() if value}
        return Incident.objects.visible_to(person(self.request)).filter(**wanted).select_related("user")


class IncidentView(APIView):
    """One incident, with its alerts."""

    @extend_schema(responses=IncidentDetailSerializer, tags=["incidents"])
    def get(self, request: "Request", incident_id: UUID) -> Response:
        caller = person(request)
        incident = Incident.objects.visible_to(caller).select_related("user").filter(pk=incident_id).first()
        if incident is None:
            raise NotFound("There is no such incident, or you may not see it.")
        look_note(viewer=caller, person_id=incident.user_id, way=Look.Way.API, at=timezone.now())
        return Response(IncidentDetailSerializer(incident).data)
