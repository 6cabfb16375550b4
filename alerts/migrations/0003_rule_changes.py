"""Who made, enabled or disabled a rule, and why."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0002_one_alert_an_episode"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RuleChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField(help_text="The version that begins or ends.")),
                (
                    "action",
                    models.CharField(
                        choices=[("new_version", "New Version"), ("enable", "Enable"), ("disable", "Disable")],
                        max_length=11,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("effective_at", models.DateTimeField()),
                ("note", models.TextField(blank=True, default="")),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="alerts.rule"
                    ),
                ),
            ],
            options={
                "ordering": ["rule", "-pk"],
            },
        ),
    ]
