"""Windows say when they were completed and whether freshly, and may hold a part of the metrics alone."""

from django.db import migrations, models

NAMES = (
    "heart_rate",
    "hrv_ms",
    "spo2_percent",
    "skin_temp_c",
    "respiratory_rate",
    "blood_pressure_systolic",
    "blood_pressure_diastolic",
    "body_temp_c",
    "blood_glucose_mg_dl",
    "hrv_sdnn_ms",
    "steps_per_minute",
    "activity_level",
    "calories_per_minute",
    "sleep_hours_last_night",
    "room_temp_c",
    "humidity_percent",
)


class Migration(migrations.Migration):
    dependencies = [("devices", "0006_metric_windows")]

    operations = [
        migrations.AddField(
            "metricwindow",
            "is_fresh",
            models.BooleanField(
                default=False,
                help_text="Whether that reading was fresh and near, and no late one has changed it.",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "metricwindow",
            "received_at",
            models.DateTimeField(
                null=True, help_text="When the reading came that completed it; our clock's time without one."
            ),
        ),
        migrations.RunSQL("UPDATE devices_metricwindow SET received_at = ended_at", migrations.RunSQL.noop),
        migrations.AlterField(
            "metricwindow",
            "received_at",
            models.DateTimeField(help_text="When the reading came that completed it; our clock's time without one."),
        ),
        *(migrations.AlterField("metricwindow", f"count_{name}", models.IntegerField(null=True)) for name in NAMES),
    ]
