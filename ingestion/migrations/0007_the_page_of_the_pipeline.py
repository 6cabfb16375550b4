"""What the pipeline's page shows: what consumers did in each minute, and which refused messages were sent again."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0006_person_writer"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PipelineMinute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("minute", models.DateTimeField()),
                ("consumer", models.CharField(max_length=128)),
                (
                    "started_at",
                    models.DateTimeField(help_text="Of the consumer: one that starts anew has rows of its own."),
                ),
                ("stored", models.PositiveIntegerField(default=0)),
                ("duplicates", models.PositiveIntegerField(default=0)),
                ("late", models.PositiveIntegerField(default=0, help_text="Of the stored.")),
                ("quarantined", models.PositiveIntegerField(default=0)),
                ("reasons", models.JSONField(default=dict, help_text="Quarantined messages by reason.")),
                ("batches", models.PositiveIntegerField(default=0)),
                (
                    "stored_p50_s",
                    models.FloatField(help_text="Receipt to commit, of each batch its first message.", null=True),
                ),
                ("stored_p99_s", models.FloatField(null=True)),
                ("stored_worst_s", models.FloatField(null=True)),
                ("travel_p50_s", models.FloatField(help_text="Measured to received, of some readings.", null=True)),
                ("travel_p99_s", models.FloatField(null=True)),
                ("travel_worst_s", models.FloatField(null=True)),
                ("memory_bytes", models.BigIntegerField(help_text="That the process held.", null=True)),
                (
                    "partitions",
                    models.JSONField(
                        default=list, help_text="[topic, partition, polled up to, messages that wait] each."
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("minute", "consumer", "started_at"), name="pipeline_minute_once")
                ],
            },
        ),
        migrations.AlterModelOptions(
            name="quarantinedmessage",
            options={
                "permissions": [
                    ("view_payload", "May see the bytes of refused messages, with the right to see every wearer"),
                    ("send_again", "May send refused messages again"),
                ]
            },
        ),
        migrations.AddField(
            model_name="quarantinedmessage",
            name="sent_again_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="quarantinedmessage",
            name="sent_again_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="quarantinedmessage",
            name="sent_again_partition",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="quarantinedmessage",
            name="sent_again_offset",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="quarantinedmessage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("sent_again_at__isnull", True),
                    models.Q(("sent_again_offset__isnull", False), ("sent_again_partition__isnull", False)),
                    _connector="OR",
                ),
                name="quarantine_sent_again",
            ),
        ),
    ]
