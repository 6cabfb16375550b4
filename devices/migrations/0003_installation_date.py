"""Remember when Telara was installed here: partitions are months from then on."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("devices", "0002_readings")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO devices_installation (id, installed_at) VALUES (1, now()) ON CONFLICT DO NOTHING",
            migrations.RunSQL.noop,
        ),
    ]
