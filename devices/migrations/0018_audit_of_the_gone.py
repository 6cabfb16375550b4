"""The audit log is asked for a name that nobody has along an index, as for any other."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("devices", "0017_code_tries")]

    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["actor", "-at", "-id"], condition=Q(actor_key=None, actor__gt=""), name="audit_actor_gone"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["person", "-at", "-id"], condition=Q(person_key=None, person__gt=""), name="audit_person_gone"
            ),
        ),
    ]
