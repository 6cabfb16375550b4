"""The readings: a partitioned table with one index, made in SQL; Django only knows its shape."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

NUMBERS = {
    "heart_rate": (1, 350),
    "hrv_ms": (0, 500),
    "spo2_percent": (0, 100),
    "skin_temp_c": (10, 50),
    "respiratory_rate": (1, 100),
    "blood_pressure_systolic": (20, 300),
    "blood_pressure_diastolic": (10, 250),
    "body_temp_c": (26, 45),
    "blood_glucose_mg_dl": (10, 1000),
    "hrv_sdnn_ms": (0, 500),
    "steps_per_minute": (0, 400),
    "activity_level": (0, 100),
    "calories_per_minute": (0, 50),
    "sleep_hours_last_night": (0, 24),
    "room_temp_c": (-40, 60),
    "humidity_percent": (0, 100),
}
TEXTS = {
    "posture": ("seated", "standing", "lying", "walking", "running", "unknown"),
    "sleep_stage": ("awake", "light", "deep", "rem"),
}

# One CHECK over all columns: NULL passes; NaN and the infinities lie outside every BETWEEN.
CHECKS = [f"{name} BETWEEN {low} AND {high}" for name, (low, high) in NUMBERS.items()]
CHECKS += [f"{name} IN ({', '.join(repr(choice) for choice in choices)})" for name, choices in TEXTS.items()]

CREATE = f"""
CREATE TABLE devices_reading (
    user_id bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    {", ".join(f"{name} double precision" for name in NUMBERS)},
    flags integer NOT NULL DEFAULT 0,
    {", ".join(f"{name} text" for name in TEXTS)},
    CONSTRAINT reading_bounds CHECK ({" AND ".join(CHECKS)}),
    CONSTRAINT reading_cuff CHECK (blood_pressure_diastolic < blood_pressure_systolic),
    PRIMARY KEY (user_id, recorded_at, event_id)
) PARTITION BY RANGE (recorded_at)
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_people_and_devices")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CREATE, "DROP TABLE devices_reading")],
            state_operations=[
                migrations.CreateModel(
                    name="Reading",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "user_id",
                                "recorded_at",
                                "event_id",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("recorded_at", models.DateTimeField(help_text="Event time, UTC, microseconds.")),
                        ("received_at", models.DateTimeField(help_text="Time of the Kafka message.")),
                        ("event_id", models.UUIDField()),
                        ("flags", models.IntegerField(default=0, help_text="Bits of devices.metrics.Flag.")),
                        ("heart_rate", models.FloatField(null=True)),
                        ("hrv_ms", models.FloatField(null=True)),
                        ("spo2_percent", models.FloatField(null=True)),
                        ("skin_temp_c", models.FloatField(null=True)),
                        ("respiratory_rate", models.FloatField(null=True)),
                        ("blood_pressure_systolic", models.FloatField(null=True)),
                        ("blood_pressure_diastolic", models.FloatField(null=True)),
                        ("body_temp_c", models.FloatField(null=True)),
                        ("blood_glucose_mg_dl", models.FloatField(null=True)),
                        ("hrv_sdnn_ms", models.FloatField(null=True)),
                        ("steps_per_minute", models.FloatField(null=True)),
                        ("activity_level", models.FloatField(null=True)),
                        ("calories_per_minute", models.FloatField(null=True)),
                        ("posture", models.TextField(null=True)),
                        ("sleep_stage", models.TextField(null=True)),
                        ("sleep_hours_last_night", models.FloatField(null=True)),
                        ("room_temp_c", models.FloatField(null=True)),
                        ("humidity_percent", models.FloatField(null=True)),
                        (
                            "user",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="readings",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["user_id", "recorded_at", "event_id"],
                        "default_permissions": ("view",),
                    },
                ),
            ],
        ),
    ]
