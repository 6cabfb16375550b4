"""People, devices and keys as the API reads and writes them."""

from datetime import timedelta
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices.fields import AwareDateTimeField, UnitsField
from devices.metrics import CANONICAL, METRICS, NUMERIC, Units
from devices.models import Device, MetricWindow, User
from devices.models.device import MAX_CADENCE_S, MIN_CADENCE_S
from devices.models.metric_window import AGGREGATES
from devices.selectors import flag_names, newest_values
from devices.times import rfc3339
from devices.units import shown_aggregates, shown_row


class Credentials(serializers.Serializer[None]):
    """Who wants a token."""

    username = serializers.CharField(max_length=64)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)
    code = serializers.CharField(
        max_length=32,
        required=False,
        help_text="Of who has a second factor: what the authenticator app shows, or a recovery code. Each works once.",
    )


class TokenAnswer(serializers.Serializer[None]):
    """A token; it is not shown again."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class WearerQuery(serializers.Serializer[None]):
    """What a list of wearers is asked for."""

    search = serializers.CharField(required=False, max_length=64, help_text="In user id or name.")


class WearerSerializer(serializers.ModelSerializer[User]):
    """A person who wears something."""

    user_id = serializers.CharField(source="username", read_only=True)
    name = serializers.CharField(source="shown_name", read_only=True)
    last_reading_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_seen_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Of any device.")

    class Meta:
        model = User
        fields = ["user_id", "name", "time_zone", "last_reading_at", "last_seen_at"]
        read_only_fields = ["time_zone"]


class NewestValue(serializers.Serializer[None]):
    """The latest value of a metric."""

    value = serializers.JSONField(help_text="A number, or the name of a state.")
    at = serializers.DateTimeField()


class WearerDetailSerializer(WearerSerializer):
    """With the latest value of each metric."""

    newest = serializers.SerializerMethodField()

    class Meta(WearerSerializer.Meta):
        fields = [*WearerSerializer.Meta.fields, "newest"]

    @extend_schema_field(serializers.DictField(child=NewestValue()))
    def get_newest(self, wearer: User) -> dict[str, Any]:
        units = self.context.get("units", CANONICAL)
        newest = newest_values(wearer=wearer)
        values = shown_row({name: each["value"] for name, each in newest.items()}, units)
        times = [each["at"] for each in newest.values()]
        return {name: {"value": value, "at": at} for (name, value), at in zip(values.items(), times, strict=True)}


class UnitsQuery(serializers.Serializer[None]):
    """In which units."""

    units = UnitsField()


class DeviceSerializer(serializers.ModelSerializer[Device]):
    """What somebody wears."""

    user_id = serializers.CharField(source="user.username", read_only=True)
    has_token = serializers.SerializerMethodField()

    class Meta:
        model = Device
        fields = ["id", "user_id", "kind", "external_id", "cadence_s", "last_seen_at", "has_token", "token_made_at"]
        read_only_fields = ["kind", "external_id", "last_seen_at", "token_made_at"]

    def get_has_token(self, device: Device) -> bool:
        return device.token_hash is not None


class DeviceQuery(serializers.Serializer[None]):
    """What a list of devices is asked for."""

    user_id = serializers.CharField(required=False, max_length=64)


class NewDevice(serializers.Serializer[None]):
    """A device to add; without `user_id` it is the caller's."""

    user_id = serializers.CharField(required=False, max_length=64)
    kind = serializers.RegexField(r"^[\w.+-]+$", max_length=64)
    external_id = serializers.CharField(required=False, max_length=64, allow_blank=True, default="")
    cadence_s = serializers.FloatField(
        required=False, allow_null=True, min_value=MIN_CADENCE_S, max_value=MAX_CADENCE_S
    )


class DeviceChange(serializers.Serializer[None]):
    """What may be changed of a device."""

    cadence_s = serializers.FloatField(allow_null=True, min_value=MIN_CADENCE_S, max_value=MAX_CADENCE_S)


class DeviceToken(serializers.Serializer[None]):
    """A device's token; it is not shown again, and the one before it no longer holds."""

    token = serializers.CharField()


class SpanQuery(serializers.Serializer[None]):
    """`since` (inclusive) and `until` (exclusive)."""

    since = AwareDateTimeField(required=False, help_text="From this time on.")
    until = AwareDateTimeField(required=False, help_text="Before this time.")


LONGEST_WINDOW_S: Final = 366 * 86_400  # of a rule


class ReadingQuery(SpanQuery):
    """Which readings."""

    user_id = serializers.CharField(required=False, max_length=64, help_text="A wearer; default: the caller.")
    metric = serializers.ListField(
        child=serializers.ChoiceField(choices=list(METRICS)),
        required=False,
        help_text="Only these metrics, and only readings that hold one of them. May be given more than once.",
    )
    order = serializers.ChoiceField(choices=["oldest", "newest"], default="oldest", help_text="Which come first.")
    units = UnitsField()


class InUnits:
    """A list whose serializer has `units` in its context: what `?units=` asks for."""

    request: Any

    def get_serializer_context(self) -> dict[str, Any]:
        context: dict[str, Any] = super().get_serializer_context()  # type: ignore[misc]  # that of the view beside it
        return context | ({"units": units_of(self.request)} if self.request else {})


def units_of(request: Any) -> Units:
    """What `?units=` asks for; raises ValidationError."""
    asked = UnitsQuery(data=request.query_params)
    asked.is_valid(raise_exception=True)
    units: Units = asked.validated_data.get("units", CANONICAL)
    return units


class Aggregates(serializers.Serializer[None]):
    """What the values of one metric in a window come to; `stddev` is that of a sample, null for a single value."""

    count = serializers.IntegerField()
    avg = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()
    stddev = serializers.FloatField(allow_null=True)


class WindowSerializer(serializers.ModelSerializer[MetricWindow]):
    """The readings of one person over [started_at, ended_at) in numbers: a metric for each that has a value there."""

    user_id = serializers.CharField(source="user.username")
    started_at = serializers.SerializerMethodField()
    ended_at = serializers.SerializerMethodField()
    flags = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()

    class Meta:
        model = MetricWindow
        fields = ["user_id", "started_at", "ended_at", "count", "flags", "metrics"]

    @extend_schema_field(serializers.DateTimeField())
    def get_started_at(self, window: MetricWindow) -> str:
        return rfc3339(window.ended_at - timedelta(seconds=window.size_s))

    @extend_schema_field(serializers.DateTimeField())
    def get_ended_at(self, window: MetricWindow) -> str:
        return rfc3339(window.ended_at)

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_flags(self, window: MetricWindow) -> list[str]:
        return flag_names(window.flags)

    @extend_schema_field(serializers.DictField(child=Aggregates()))
    def get_metrics(self, window: MetricWindow) -> dict[str, dict[str, float | None]]:
        found = {
            name: {aggregate: getattr(window, f"{aggregate}_{name}") for aggregate in AGGREGATES}
            for name in NUMERIC
            if getattr(window, f"count_{name}")
        }
        return shown_aggregates(found, self.context.get("units", CANONICAL))


class WindowQuery(SpanQuery):
    """Which windows, by when they begin. Minutes there are always, others where an active rule sees them."""

    user_id = serializers.CharField(required=False, max_length=64, help_text="A wearer; default: the caller.")
    size_s = serializers.IntegerField(
        default=60, min_value=1, max_value=LONGEST_WINDOW_S, help_text="How long a window is, in seconds."
    )
    every_s = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_WINDOW_S,
        help_text="Seconds from the start of one to that of the next; default: its size.",
    )
    order = serializers.ChoiceField(choices=["oldest", "newest"], default="oldest", help_text="Which come first.")
    units = UnitsField()
