"""Alerts of the pipeline belong to nobody; of each of their rules one fires at a time, as of a person's."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

DROP = [
    "ALTER TABLE alerts_alert DROP CONSTRAINT alert_one_firing",
    "ALTER TABLE alerts_alert DROP CONSTRAINT alert_one_start",
]


def constraints(user: str) -> list[str]:
    return [
        f"""
ALTER TABLE alerts_alert ADD CONSTRAINT alert_one_firing
EXCLUDE USING btree ({user} WITH =, rule_id WITH =) WHERE (episode = 'firing') DEFERRABLE INITIALLY DEFERRED
""",
        f"""
ALTER TABLE alerts_alert ADD CONSTRAINT alert_one_start
EXCLUDE USING btree ({user} WITH =, rule_id WITH =, rule_version WITH =, started_at WITH =)
WHERE (episode <> 'withdrawn' AND settled_at IS DISTINCT FROM started_at)
DEFERRABLE INITIALLY DEFERRED
""",
    ]


class Migration(migrations.Migration):
    dependencies = [("alerts", "0007_expected_silence")]

    operations = [
        migrations.AlterField(
            "alert",
            "user",
            models.ForeignKey(
                blank=True,
                help_text="Null: the alert is of the pipeline, and nobody's.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="alerts",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            "outboxentry",
            "key",
            models.CharField(help_text="The Kafka key: the user_id, #pipeline where there is none.", max_length=64),
        ),
        migrations.RunSQL(
            [*DROP, *constraints("(coalesce(user_id, 0))")],
            [*DROP, *constraints("user_id")],
        ),
    ]
