"""Wrong tries of a second factor are counted with the person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0016_audit_says_what_it_said")]

    operations = [
        migrations.AddField(
            "user", "code_failures", models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)
        ),
        migrations.AddField("user", "code_wait_until", models.DateTimeField(editable=False, null=True)),
    ]
