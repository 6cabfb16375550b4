import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """The admin takes no cadence that the API refuses."""

    dependencies = [("devices", "0022_mail")]

    operations = [
        migrations.AlterField(
            model_name="device",
            name="cadence_s",
            field=models.FloatField(
                blank=True,
                help_text="Expected seconds between readings.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.01),
                    django.core.validators.MaxValueValidator(86400),
                ],
            ),
        )
    ]
