"""The API of notifications: your channels, routes and what became of your messages. Where a channel leads is sealed, so
channels and routes are made on the page; a test can be sent from here."""

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.models import Channel, Delivery, Route
from alerts.models.alert import AlertClass, Severity
from alerts.services.notifications import NotificationError, channel_test
from devices.authentication import person
from devices.errors import ApiError
from devices.paging import KeysetPagination

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class ChannelSerializer(serializers.ModelSerializer[Channel]):
    """A way to you. `address` is what may be read of where it leads."""

    channel_id = serializers.IntegerField(source="pk")
    address = serializers.CharField(source="shown")

    class Meta:
        model = Channel
        fields = ["channel_id", "name", "kind", "address", "created_at"]


class RouteSerializer(serializers.ModelSerializer[Route]):
    """You are told by a channel of incidents that are at least so severe; `user_id`: only of this person."""

    route_id = serializers.IntegerField(source="pk")
    channel_id = serializers.IntegerField()
    user_id = serializers.CharField(source="wearer.username", default=None, allow_null=True)
    least_severity = serializers.ChoiceField(choices=Severity.choices)

    class Meta:
        model = Route
        fields = [
            "route_id", "channel_id", "user_id", "least_severity", "wait_min", "repeat_min", "repeat_most",
            "quiet_from", "quiet_until", "critical_pierces", "with_details", "enabled", "created_at",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`class` is no name in Python."""
        named = serializers.ChoiceField(
            choices=[("", "all"), *AlertClass.choices], source="alert_class", help_text="Empty: both."
        )
        return super().get_fields() | {"class": named}


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A message. `next_at`: when it is tried (again); `note`: why it failed or was dropped."""

    channel_id = serializers.IntegerField()
    route_id = serializers.IntegerField(source="notice.route_id", default=None, allow_null=True)
    incident_id = serializers.UUIDField(source="notice.incident_id", default=None, allow_null=True)
    severity = serializers.ChoiceField(choices=[("", "of a test"), *Severity.choices])

    class Meta:
        model = Delivery
        fields = [
            "delivery_id", "channel_id", "route_id", "incident_id", "kind", "severity", "state", "attempts", "note",
            "made_at", "next_at", "done_at",
        ]  # fmt: skip


class DeliveryQuery(serializers.Serializer[None]):
    """Which ones."""

    channel_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    state = serializers.MultipleChoiceField(choices=Delivery.State.choices, required=False)


class ChannelList(generics.ListAPIView[Channel]):
    """Your channels, by name."""

    serializer_class = ChannelSerializer
    pagination_class = KeysetPagination
    keyset = ("name",)

    @extend_schema(tags=["notifications"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Channel]":
        return Channel.objects.filter(owner=person(self.request))


class RouteList(generics.ListAPIView[Route]):
    """Your routes."""

    serializer_class = RouteSerializer
    pagination_class = KeysetPagination
    keyset = ("id",)

    @extend_schema(tags=["notifications"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Route]":
        return Route.objects.filter(owner=person(self.request)).select_related("wearer")


class DeliveryList(generics.ListAPIView[Delivery]):
    """Your messages of the last 30 days and what became of them, the newest first."""

    serializer_class = DeliverySerializer
    pagination_class = KeysetPagination
    keyset = ("-made_at", "delivery_id")

    @extend_schema(parameters=[DeliveryQuery], tags=["notifications"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Delivery]":
        query = DeliveryQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        rows = Delivery.objects.filter(channel__owner=person(self.request)).select_related("notice")
        if "channel_id" in wanted:
            rows = rows.filter(channel=wanted["channel_id"])
        return rows.filter(state__in=wanted["state"]) if wanted.get("state") else rows


class ChannelTestView(APIView):
    """Try a channel."""

    @extend_schema(request=None, responses={202: DeliverySerializer}, tags=["notifications"])
    def post(self, request: "Request", channel_id: int) -> Response:
        """Send a test; what becomes of it stands among the deliveries seconds later."""
        channel = Channel.objects.filter(owner=person(request), pk=channel_id).first()
        if channel is None:
            raise NotFound("There is no such channel of yours.")
        try:
            delivery = channel_test(channel=channel, at=timezone.now())
        except NotificationError as error:
            raise ApiError(status.HTTP_409_CONFLICT, "on_its_way", str(error)) from None
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)
