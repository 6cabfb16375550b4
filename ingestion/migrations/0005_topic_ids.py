"""By which id the broker knew a topic: one that was made anew has another."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0004_mishaps_and_placement")]

    operations = [
        migrations.AddField(
            model_name="partitionledger",
            name="topic_id",
            field=models.CharField(
                blank=True, db_default="", help_text="Another one: it was made anew.", max_length=32
            ),
        ),
    ]
