"""Who looked at whose data, and who may take it along."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0008_names_of_keys")]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [
                    ("view_all_wearers", "May see every wearer"),
                    ("add_readings", "May post readings for anyone"),
                    ("run_simulator", "May run the simulator"),
                    ("export_readings", "May export the data of those they see"),
                ]
            },
        ),
        migrations.CreateModel(
            name="Look",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("page", "their page"),
                            ("alert", "an alert"),
                            ("api", "the API"),
                            ("export", "an export"),
                        ],
                        max_length=6,
                    ),
                ),
                ("hour", models.DateTimeField(help_text="The hour of UTC in which it was.")),
                ("at", models.DateTimeField(help_text="When it was first in that hour.")),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="looks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["person", "-at"], name="look_newest")],
                "constraints": [models.UniqueConstraint(fields=("person", "viewer", "way", "hour"), name="look_once")],
            },
        ),
    ]
