"""Invitations: links by which people make themselves an account."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

ROLES = [("wearer", "wearer"), ("analyst", "analyst"), ("staff", "staff"), ("administrator", "administrator")]


def kept_of():
    return models.ForeignKey(
        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
    )


def goes_with(to):
    return models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="invitations", to=to)


class Migration(migrations.Migration):
    dependencies = [("devices", "0014_teams")]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("secret_hash", models.CharField(editable=False, max_length=64, unique=True)),
                ("role", models.CharField(choices=ROLES, max_length=13)),
                ("note", models.CharField(blank=True, default="", max_length=254)),
                ("by_command", models.BooleanField(default=False)),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                ("made_by", kept_of()),
                ("person", goes_with(settings.AUTH_USER_MODEL)),
                ("team", goes_with("devices.team")),
                ("used_by", kept_of()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(used_at__isnull=True) | Q(revoked_at__isnull=True),
                        name="invitation_used_or_revoked",
                    )
                ],
            },
        ),
    ]
