"""People who want to be forgotten, and those who are."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0009_looks")]

    operations = [
        migrations.CreateModel(
            name="ErasedPerson",
            fields=[
                ("name_hash", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("erased_at", models.DateTimeField()),
            ],
            options={"verbose_name_plural": "erased people", "default_permissions": ("view",)},
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="erasure",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("username", models.CharField(max_length=64)),
                ("asked_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("begun_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={"default_permissions": ("view",)},
        ),
    ]
