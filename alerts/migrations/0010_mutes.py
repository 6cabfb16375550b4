"""Mutes of planned activity, and when an alert whose silence ran out is to be told again."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

PERSON = {
    "blank": True,
    "null": True,
    "on_delete": django.db.models.deletion.SET_NULL,
    "related_name": "+",
    "to": settings.AUTH_USER_MODEL,
}
REASONS = [("late", "Late"), ("cooldown", "Cooldown"), ("expected", "Expected"), ("muted", "Muted")]


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0009_notifications"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            "alert", "quiet_reason", models.CharField(blank=True, choices=REASONS, max_length=8, null=True)
        ),
        migrations.AddField(
            "alert",
            "renewed_at",
            models.DateTimeField(
                blank=True,
                null=True,
                help_text="When a snooze or a mute of it ran out while it fired: whoever is told of it is told again.",
            ),
        ),
        migrations.AddIndex(
            "alert", models.Index(fields=["snoozed_until"], condition=Q(triage="snoozed"), name="alert_snoozed")
        ),
        migrations.CreateModel(
            "Mute",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "rules",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64), help_text="The rules that stay quiet, by id."
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("why", models.CharField(max_length=200)),
                ("made_at", models.DateTimeField()),
                ("over_at", models.DateTimeField(blank=True, null=True)),
                ("made_by", models.ForeignKey(**PERSON)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mutes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-starts_at", "-pk"],
                "constraints": [models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="mute_order")],
                "indexes": [
                    models.Index(fields=["ends_at"], condition=Q(over_at__isnull=True), name="mute_not_over"),
                    models.Index(fields=["-ends_at"], name="mute_newest_end"),
                ],
            },
        ),
        migrations.CreateModel(
            "MuteChange",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "action",
                    models.CharField(choices=[("made", "Made"), ("ended", "Ended"), ("over", "Over")], max_length=5),
                ),
                ("was", models.DateTimeField(blank=True, help_text="The end before.", null=True)),
                ("became", models.DateTimeField(help_text="The end from then on.")),
                ("note", models.TextField(blank=True, default="")),
                ("by", models.ForeignKey(**PERSON)),
                (
                    "mute",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="alerts.mute"
                    ),
                ),
            ],
            options={"ordering": ["mute", "pk"]},
        ),
    ]
