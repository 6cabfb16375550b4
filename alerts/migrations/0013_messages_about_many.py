"""A message may be told together with others, and that it failed is noted once."""

import django.db.models.deletion
from django.db import migrations, models

KINDS = [
    ("start", "Start"),
    ("again", "open again"),
    ("higher", "worse"),
    ("still", "still going on"),
    ("end", "ended"),
    ("withdrawn", "Withdrawn"),
    ("more", "many together"),
    ("test", "Test"),
]
STATES = [
    ("pending", "on its way"),
    ("sent", "Sent"),
    ("failed", "Failed"),
    ("dropped", "Dropped"),
    ("bundled", "told with others"),
]


class Migration(migrations.Migration):
    dependencies = [("alerts", "0012_renewed_members")]

    operations = [
        migrations.AddField(
            "delivery",
            "bundle",
            models.ForeignKey(
                null=True,
                blank=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="bundled",
                to="alerts.delivery",
                help_text="The message about many that tells of this one.",
            ),
        ),
        migrations.AlterField("delivery", "kind", models.CharField(choices=KINDS, max_length=9)),
        migrations.AlterField("delivery", "state", models.CharField(choices=STATES, default="pending", max_length=7)),
        migrations.AddField(
            "delivery",
            "noted",
            models.BooleanField(default=False, help_text="That it failed is part of a technical alert."),
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(
                condition=models.Q(("noted", False), ("state", "failed")), fields=["done_at"], name="delivery_failed"
            ),
        ),
    ]
