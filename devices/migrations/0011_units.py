"""People read glucose and temperatures in the units of their country."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0010_erasures")]

    operations = [
        migrations.AddField(
            "user",
            "glucose_unit",
            models.CharField(
                choices=[("mg/dL", "mg/dL"), ("mmol/L", "mmol/L")],
                db_default="mg/dL",
                default="mg/dL",
                max_length=8,
                verbose_name="glucose in",
            ),
        ),
        migrations.AddField(
            "user",
            "temperature_unit",
            models.CharField(
                choices=[("Cel", "°C"), ("[degF]", "°F")],
                db_default="Cel",
                default="Cel",
                max_length=8,
                verbose_name="temperatures in",
            ),
        ),
    ]
