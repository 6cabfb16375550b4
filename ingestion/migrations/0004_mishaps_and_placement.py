"""What befalls the pipeline, until it is an alert; and by which partition each person comes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0003_listening")]

    operations = [
        migrations.CreateModel(
            name="Mishap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event", models.CharField(max_length=16)),
                ("at", models.DateTimeField()),
                ("count", models.PositiveIntegerField(default=1)),
                ("text", models.TextField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Placement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cluster_id", models.CharField(max_length=64)),
                ("topic", models.CharField(max_length=249)),
                ("user_id", models.CharField(max_length=64)),
                ("partition", models.PositiveIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("cluster_id", "topic", "user_id"), name="placement_once")
                ],
            },
        ),
    ]
