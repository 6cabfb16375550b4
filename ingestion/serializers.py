"""Readings and events as the API writes and describes them."""

from typing import Any

from rest_framework import serializers

from devices.doubts import doubts_of
from devices.metrics import CANONICAL, METRICS, Metric
from devices.selectors import flag_names
from devices.times import rfc3339
from devices.units import shown_row


def metric_field(metric: Metric) -> serializers.Field[Any, Any, Any, Any]:
    """How a metric is described."""
    if metric.is_text:
        return serializers.ChoiceField(choices=list(metric.choices), allow_null=True, required=False)
    return serializers.FloatField(allow_null=True, required=False, help_text=f"{metric.label}, {metric.unit}")


class ReadingSerializer(serializers.Serializer[dict[str, Any]]):
    """A stored reading, flat: a field a metric, null where it was not measured."""

    event_id = serializers.UUIDField()
    user_id = serializers.CharField()
    recorded_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    flags = serializers.ListField(child=serializers.CharField(), help_text="What is remarkable: late, suspect_hrv.")
    doubts = serializers.DictField(
        child=serializers.CharField(),
        help_text="By metric why its value is in doubt, or absent: jump, stuck, out of bounds, not worn.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return super().get_fields() | {metric.name: metric_field(metric) for metric in METRICS.values()}

    def to_representation(self, row: dict[str, Any]) -> dict[str, Any]:
        units = self.context.get("units", CANONICAL)
        return {
            "event_id": str(row["event_id"]),
            "user_id": row["user__username"],
            "recorded_at": rfc3339(row["recorded_at"]),
            "received_at": rfc3339(row["received_at"]),
            "flags": flag_names(row["flags"]),
            "doubts": {units.renamed(name): why for name, why in doubts_of(row["flags"]).items()},
            **shown_row({name: row[name] for name in METRICS if name in row}, units),
        }


class _Group(serializers.Serializer[None]):
    """One group of an event."""

    group = ""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {metric.field: metric_field(metric) for metric in METRICS.values() if metric.group == self.group}


class EventVitals(_Group):
    """What the body does."""

    group = "vitals"


class EventActivity(_Group):
    """What the person does."""

    group = "activity"


class EventSleep(_Group):
    """How they sleep."""

    group = "sleep"


class EventEnvironment(_Group):
    """What is around them."""

    group = "environment"


class EventSchema(serializers.Serializer[None]):
    """One event of a wearable; for the description only, what is good is decided as in the stream."""

    event_id = serializers.UUIDField()
    timestamp = serializers.DateTimeField()
    user_id = serializers.CharField(max_length=64)
    device_sources = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=16, required=False, allow_null=True
    )
    vitals = EventVitals(required=False, allow_null=True)
    activity = EventActivity(required=False, allow_null=True)
    sleep = EventSleep(required=False, allow_null=True)
    environment = EventEnvironment(required=False, allow_null=True)


class ItemErrorSchema(serializers.Serializer[None]):
    """Why one item was refused."""

    index = serializers.IntegerField()
    code = serializers.CharField()
    field = serializers.CharField(allow_blank=True)


class TakenAnswer(serializers.Serializer[None]):
    """What became of the items."""

    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    errors = ItemErrorSchema(many=True)  # type: ignore[assignment]  # the contract's name
