"""The API of alerts and summaries."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.models import Alert, Summary
from alerts.selectors import AlertFilter, alert_get, alerts_newest, may_triage, summaries_of
from alerts.serializers import (
    AlertDetailSerializer,
    AlertQuery,
    AlertSerializer,
    Close,
    Comment,
    Note,
    SaidQuery,
    Snooze,
    SummaryQuery,
    SummarySerializer,
)
from alerts.services.triage import (
    TriageError,
    alert_acknowledge,
    alert_close,
    alert_comment,
    alert_reopen,
    alert_snooze,
)
from devices.api import wearer_looked_at
from devices.authentication import person
from devices.errors import ApiError
from devices.models import Look, User
from devices.paging import KeysetPagination
from devices.rights.looks import look_note
from devices.serializers import InUnits

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

NO_ALERT = "There is no such alert, or you may not see it."
_SAID: Final = frozenset({"units", "time_zone"})  # of how alerts are said, not of which


class AlertList(generics.ListAPIView[Alert]):
    """The alerts you may see, newest first."""

    serializer_class = AlertSerializer
    pagination_class = KeysetPagination
    keyset = ("-opened_at", "alert_id")

    @extend_schema(parameters=[AlertQuery], tags=["alerts"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), **(_said_in(self.request) if self.request else {})}

    def get_queryset(self) -> "QuerySet[Alert]":
        query = AlertQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return alerts_newest(user=person(self.request), wanted=_wanted(query.validated_data))


class AlertView(APIView):
    """One alert, with its evidence and its history."""

    @extend_schema(parameters=[SaidQuery], responses=AlertDetailSerializer, tags=["alerts"])
    def get(self, request: "Request", alert_id: UUID) -> Response:
        caller = person(request)
        alert = _alert(caller, alert_id)
        look_note(viewer=caller, person_id=alert.user_id, way=Look.Way.API, at=timezone.now())
        return Response(AlertDetailSerializer(alert, context=_said_in(request)).data)


class Acknowledge(APIView):
    """Say that you look after an alert."""

    @extend_schema(request=Note, responses=AlertSerializer, tags=["alerts"])
    def post(self, request: "Request", alert_id: UUID) -> Response:
        return _decide(request, alert_id, Note, alert_acknowledge)


class SnoozeView(APIView):
    """Silence an alert for a while: CRITICAL 15 minutes at most, HIGH 60, MEDIUM 4 hours, LOW and INFO 24."""

    @extend_schema(request=Snooze, responses=AlertSerializer, tags=["alerts"])
    def post(self, request: "Request", alert_id: UUID) -> Response:
        return _decide(request, alert_id, Snooze, _snooze)


class CloseView(APIView):
    """Be done with an alert, for a reason. One that fires goes on firing."""

    @extend_schema(request=Close, responses=AlertSerializer, tags=["alerts"])
    def post(self, request: "Request", alert_id: UUID) -> Response:
        return _decide(request, alert_id, Close, alert_close)


class Reopen(APIView):
    """Make an alert new again."""

    @extend_schema(request=Note, responses=AlertSerializer, tags=["alerts"])
    def post(self, request: "Request", alert_id: UUID) -> Response:
        return _decide(request, alert_id, Note, alert_reopen)


class CommentView(APIView):
    """Say something about an alert; its wearer may, too."""

    @extend_schema(request=Comment, responses=AlertSerializer, tags=["alerts"])
    def post(self, request: "Request", alert_id: UUID) -> Response:
        return _decide(request, alert_id, Comment, alert_comment, wearers_too=True)


class SummaryList(InUnits, generics.ListAPIView[Summary]):
    """A wearer's hours or days in numbers, newest first."""

    serializer_class = SummarySerializer
    pagination_class = KeysetPagination
    keyset = ("-start",)

    @extend_schema(parameters=[SummaryQuery], tags=["summaries"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Summary]":
        query = SummaryQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = dict(query.validated_data)
        wanted.pop("units", None)  # of how it is written, not of what there is
        caller = person(self.request)
        wearer = wearer_looked_at(user=caller, user_id=wanted.pop("user_id", caller.username))
        return summaries_of(wearer=wearer, **wanted)


def _said_in(request: "Request") -> dict[str, Any]:
    """In which units, and by which clock sentences are asked for; raises ValidationError."""
    asked = SaidQuery(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _wanted(given: dict[str, Any]) -> AlertFilter:
    names = {"status": "triage", "class": "alert_class", "user_id": "wearer", "rule_id": "rule"}
    return AlertFilter(**{names.get(name, name): value for name, value in given.items() if name not in _SAID})


def alert_decided_about(user: User, alert_id: UUID) -> Alert:
    """An alert that `user` may see and decide about; NotFound, PermissionDenied."""
    alert = _alert(user, alert_id)
    if not may_triage(user=user, alert=alert):
        raise PermissionDenied("Those who watch you decide about your alerts.")
    return alert


def _alert(user: User, alert_id: UUID) -> Alert:
    try:
        return alert_get(user=user, alert_id=alert_id)
    except Alert.DoesNotExist:
        raise NotFound(NO_ALERT) from None


def _decide(
    request: "Request",
    alert_id: UUID,
    body: type[serializers.Serializer[None]],
    service: Callable[..., Alert],
    *,
    wearers_too: bool = False,
) -> Response:
    """Call `service` with what `body` reads; answers with the alert as it now is."""
    by, at = person(request), timezone.now()
    alert = _alert(by, alert_id) if wearers_too else alert_decided_about(by, alert_id)
    given = body(data=request.data)
    given.is_valid(raise_exception=True)
    try:
        return Response(AlertSerializer(service(alert=alert, by=by, at=at, **given.validated_data)).data)
    except TriageError as error:
        raise _refused(error) from None
    except Alert.DoesNotExist:  # its person was erased meanwhile
        raise NotFound(NO_ALERT) from None


def _snooze(*, minutes: int | None = None, until: datetime | None = None, at: datetime, **given: Any) -> Alert:
    ends = until or at + timedelta(minutes=minutes or 0)
    return alert_snooze(at=at, until=ends, **given)


def _refused(error: TriageError) -> ApiError:
    refusal = error.refusal
    if refusal.code == "closed":
        return ApiError(status.HTTP_409_CONFLICT, "closed", refusal.message)
    return ApiError(status.HTTP_400_BAD_REQUEST, refusal.code, refusal.message, fields={"until": [refusal.message]})
