from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0006_detection_state")]

    operations = [
        migrations.AlterField(
            "alert",
            "quiet_reason",
            models.CharField(
                blank=True,
                choices=[("late", "Late"), ("cooldown", "Cooldown"), ("expected", "Expected")],
                max_length=8,
                null=True,
            ),
        )
    ]
