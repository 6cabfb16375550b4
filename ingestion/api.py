"""The API of readings: sending them, and reading them back."""

from dataclasses import asdict
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaException
from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiRequest, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.response import Response
from rest_framework.utils.mediatypes import media_type_matches

from devices.api import wearer_looked_at
from devices.authentication import IsPerson, IsPersonOrDevice, person
from devices.errors import ApiError
from devices.metrics import METRICS
from devices.models import Device
from devices.paging import KeysetPagination
from devices.parsers import read_body
from devices.selectors import readings_of
from devices.serializers import InUnits, ReadingQuery
from ingestion.decode.exact import parse_json
from ingestion.decode.verdicts import Limits, limits_of
from ingestion.gate import FULL, MOST_POSTS
from ingestion.intake import MAX_BODY, MAX_ITEMS, NotTakenError, Taken, Terms, take_in
from ingestion.send.sending import web_producer
from ingestion.serializers import EventSchema, ReadingSerializer, TakenAnswer

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request

# A caller who hangs up leaves the gate, but not the thread that waits for the broker.
_waiting = BoundedSemaphore(MOST_POSTS)


class ReadingList(InUnits, generics.ListAPIView[Any]):
    """A wearer's readings, in the order of (`recorded_at`, `event_id`)."""

    serializer_class = ReadingSerializer
    pagination_class = KeysetPagination

    @property
    def keyset(self) -> tuple[str, str]:
        newest = self.request.query_params.get("order") == "newest"
        return ("-recorded_at", "-event_id") if newest else ("recorded_at", "event_id")

    def get_permissions(self) -> "list[BasePermission]":
        return [IsPersonOrDevice()] if self.request.method == "POST" else [IsPerson()]

    @extend_schema(parameters=[ReadingQuery], tags=["readings"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Any]":
        query = ReadingQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        caller = person(self.request)
        wearer = wearer_looked_at(user=caller, user_id=wanted.get("user_id", caller.username))
        metrics = wanted.get("metric", [])
        rows = readings_of(wearer=wearer, since=wanted.get("since"), until=wanted.get("until"), metrics=metrics)
        columns = ("event_id", "recorded_at", "received_at", "user__username", "flags", *(metrics or METRICS))
        return cast("QuerySet[Any]", rows.values(*columns))

    @extend_schema(request=OpenApiRequest(EventSchema(many=True)), responses={202: TakenAnswer}, tags=["readings"])
    def post(self, request: "Request") -> Response:
        """Send one event or a list of at most 1,000, at most 1 MiB; sending again is safe.

        Answers once the broker has the good ones, and says what is wrong with each of the others.
        """
        if not _waiting.acquire(blocking=False):
            raise _unavailable(FULL)
        try:
            taken = _take_in(request)
        except (NotTakenError, KafkaException):
            message = "The broker did not take them all. Send them again: what it has already is not stored twice."
            raise _unavailable(message) from None
        finally:
            _waiting.release()
        errors = [asdict(error) for error in taken.errors]
        body = {"accepted": taken.accepted, "rejected": len(errors), "errors": errors}
        return Response(body, status=status.HTTP_202_ACCEPTED)


def _unavailable(message: str) -> ApiError:
    return ApiError(status.HTTP_503_SERVICE_UNAVAILABLE, "unavailable", message, retry_after=5)


def _take_in(request: "Request") -> Taken:
    """What became of the request's items; while the broker does not answer they are not even read."""
    producer, now = web_producer(), timezone.now()
    if producer.is_stalled():
        raise NotTakenError
    return take_in(
        _items(_body(request)),
        terms=_terms(request, limits_of(settings.TELARA_RETENTION_DAYS, now=now)),
        producer=producer,
        topic=settings.TELARA_TOPIC_RAW,
        received_at=now,
    )


def _terms(request: "Request", limits: Limits) -> Terms:
    caller = person(request)
    anyone = caller.has_perm("devices.add_readings") and not isinstance(request.auth, Device)
    provision = settings.TELARA_UNKNOWN_USERS == "provision"
    return Terms(None if anyone else caller.username, limits, provision=provision)


def _body(request: "Request") -> bytes:
    """The bytes of the request, read here: a body sent in chunks has no length, and DRF would take it for empty."""
    if not media_type_matches("application/json", request.content_type or ""):
        raise UnsupportedMediaType(request.content_type or "none")
    return read_body(request._request, limit=MAX_BODY)


def _items(body: bytes) -> list[Any]:
    try:
        parsed = parse_json(body)
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    items = parsed if isinstance(parsed, list) else [parsed]
    if len(items) > MAX_ITEMS:
        message = f"{len(items):,} items: at most {MAX_ITEMS:,} at once."
        raise ApiError(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, "too_many_items", message)
    return items
