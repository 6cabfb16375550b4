"""Personal baselines."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0004_simulations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Baseline",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "user_id",
                        "valid_from",
                        "metric",
                        "local_hour",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("valid_from", models.DateTimeField(help_text="A UTC midnight.")),
                ("metric", models.TextField(help_text="Its name in the catalogue.")),
                ("local_hour", models.SmallIntegerField(help_text="0 to 23, by the clock of `zone`.")),
                ("zone", models.TextField(help_text="The person's time zone when this was made.")),
                ("median", models.FloatField(null=True)),
                (
                    "mad",
                    models.FloatField(help_text="Median distance from the median, in the metric's unit.", null=True),
                ),
                ("values", models.IntegerField(help_text="How many it was made of.")),
                ("days", models.SmallIntegerField(help_text="On how many days of the person's calendar they lie.")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="baselines",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["user_id", "valid_from", "metric", "local_hour"],
                "default_permissions": ("view",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("local_hour__gte", 0), ("local_hour__lte", 23)), name="baseline_local_hour"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("mad__isnull", True), ("median__isnull", True)),
                            models.Q(("mad__gte", 0), ("mad__isnull", False), ("median__isnull", False)),
                            _connector="OR",
                        ),
                        name="baseline_whole",
                    ),
                ],
            },
        ),
    ]
