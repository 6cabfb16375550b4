"""What failed before failures were noted: their owners' logs say so, and no alarm is to ring for it today."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("alerts", "0014_snoozed_until")]

    operations = [
        migrations.RunSQL(
            "UPDATE alerts_delivery SET noted = true WHERE state = 'failed' AND NOT noted", migrations.RunSQL.noop
        )
    ]
