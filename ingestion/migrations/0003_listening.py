from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0002_late_stretches")]

    operations = [
        migrations.AddField("partitionledger", "listening_since", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("partitionledger", "consumed_until", models.DateTimeField(blank=True, null=True)),
    ]
