import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0003_installation_date"),
    ]

    operations = [
        migrations.CreateModel(
            name="Simulation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("runner", models.CharField(choices=[("worker", "Worker"), ("command", "Command line")], max_length=8)),
                (
                    "state",
                    models.CharField(
                        choices=[("requested", "Requested"), ("running", "Running"), ("stopped", "Stopped")],
                        default="requested",
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[("done", "Done"), ("asked", "Stopped by a person"), ("lost", "Its process is gone")],
                        default="",
                        help_text="Why it stopped.",
                        max_length=8,
                    ),
                ),
                ("wearers", models.PositiveIntegerField(default=0, help_text="user_001 to user_N.")),
                (
                    "wearer_id",
                    models.CharField(
                        blank=True, default="", help_text="Has the anomaly.", max_length=64, verbose_name="user id"
                    ),
                ),
                ("hertz", models.FloatField(default=1.0, help_text="Readings a second of each.")),
                ("anomaly", models.CharField(blank=True, default="", max_length=32)),
                ("bad_data", models.FloatField(default=0.0, help_text="Part of the events that is spoilt.")),
                ("seed", models.BigIntegerField(default=1)),
                ("starts_at", models.DateTimeField(help_text="Of this round.")),
                (
                    "duration_s",
                    models.FloatField(blank=True, help_text="Of each round; until stopped where empty.", null=True),
                ),
                (
                    "repeat_s",
                    models.FloatField(
                        blank=True, help_text="From the start of a round to that of the next.", null=True
                    ),
                ),
                (
                    "sent_until",
                    models.DateTimeField(blank=True, help_text="Everything before it is at the broker.", null=True),
                ),
                (
                    "seen_at",
                    models.DateTimeField(
                        blank=True, help_text="When its runner last said that it is alive.", null=True
                    ),
                ),
                ("sent", models.BigIntegerField(default=0)),
                ("spoilt", models.BigIntegerField(default=0)),
                ("rounds", models.PositiveIntegerField(default=0, help_text="Rounds that are over.")),
                ("requested_at", models.DateTimeField()),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="simulations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stopped_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="stopped_simulations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-requested_at", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "stopped"), _negated=True),
                        fields=["starts_at"],
                        name="simulation_alive",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("wearer_id", ""), ("wearer_id__regex", "^[A-Za-z0-9._\\-@+:]{1,64}$"), _connector="OR"
                        ),
                        name="simulation_wearer",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("bad_data__gte", 0), ("bad_data__lte", 1)), name="simulation_bad_data"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("repeat_s__isnull", True), ("repeat_s__gt", models.F("duration_s")), _connector="OR"
                        ),
                        name="simulation_repeat",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "stopped"), ("stopped_at__isnull", False)),
                            models.Q(("state", "stopped"), _negated=True),
                            _connector="OR",
                        ),
                        name="simulation_stopped",
                    ),
                ],
            },
        ),
    ]
