"""Until when an alert was snoozed, kept with the change that says so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0013_messages_about_many")]

    operations = [
        migrations.AddField(
            model_name="alertchange",
            name="until",
            field=models.DateTimeField(null=True, blank=True, help_text="Until when it was snoozed."),
        ),
    ]
