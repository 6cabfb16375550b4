"""Readings: one row an event, wide and typed, partitioned by time."""

from django.db import models

from devices.metrics import METRICS


class Reading(models.Model):
    """What one event said of one person at one moment; the columns are those of the metric catalogue.

    Identity is (user, recorded_at, event_id): that one index is the key, the order of a person's readings, and the
    hot query, read backwards. There is no other index and no foreign-key constraint; rows are written by COPY.
    """

    pk = models.CompositePrimaryKey("user_id", "recorded_at", "event_id")
    user = models.ForeignKey(
        "devices.User", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="readings"
    )
    recorded_at = models.DateTimeField(help_text="Event time, UTC, microseconds.")
    received_at = models.DateTimeField(help_text="Time of the Kafka message.")
    event_id = models.UUIDField()
    flags = models.IntegerField(default=0, help_text="Bits of devices.metrics.Flag.")

    heart_rate = models.FloatField(null=True)
    hrv_ms = models.FloatField(null=True)
    spo2_percent = models.FloatField(null=True)
    skin_temp_c = models.FloatField(null=True)
    respiratory_rate = models.FloatField(null=True)
    blood_pressure_systolic = models.FloatField(null=True)
    blood_pressure_diastolic = models.FloatField(null=True)
    body_temp_c = models.FloatField(null=True)
    blood_glucose_mg_dl = models.FloatField(null=True)
    hrv_sdnn_ms = models.FloatField(null=True)
    steps_per_minute = models.FloatField(null=True)
    activity_level = models.FloatField(null=True)
    calories_per_minute = models.FloatField(null=True)
    posture = models.TextField(null=True)
    sleep_stage = models.TextField(null=True)
    sleep_hours_last_night = models.FloatField(null=True)
    room_temp_c = models.FloatField(null=True)
    humidity_percent = models.FloatField(null=True)

    class Meta:
        ordering = ["user_id", "recorded_at", "event_id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.user_id} {self.recorded_at.isoformat()}"


# The order in which readings are written: identity, receipt, flags, then the catalogue's.
COLUMNS = ("user_id", "recorded_at", "received_at", "event_id", "flags", *METRICS)
