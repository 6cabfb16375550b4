"""Devices and keys have the names that people give them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0007_when_windows_were_completed")]

    operations = [
        migrations.AddField(
            "apitoken",
            "name",
            models.CharField(
                blank=True, db_default="", default="", help_text="What its person uses it for.", max_length=64
            ),
        ),
        migrations.AddField(
            "device",
            "name",
            models.CharField(
                blank=True, db_default="", default="", help_text="What its wearer calls it.", max_length=64
            ),
        ),
    ]
