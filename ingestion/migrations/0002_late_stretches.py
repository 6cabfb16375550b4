"""What late readings touched waits in a table, one row a person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0001_ledger_and_quarantine")]

    operations = [
        migrations.CreateModel(
            name="LateStretch",
            fields=[
                ("user_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("cluster_id", models.CharField(max_length=64)),
                ("topic", models.CharField(max_length=249)),
                ("partition", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
