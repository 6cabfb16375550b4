"""What an incident remembers of a snooze or mute that ran out is what its alert says of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0011_desk")]

    operations = [
        migrations.RenameField("incidentmember", "woken_at", "renewed_at"),
        migrations.AlterField("incidentmember", "renewed_at", models.DateTimeField(blank=True, null=True)),
    ]
