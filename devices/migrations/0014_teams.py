"""Teams: analysts who watch the same wearers."""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

BIG_ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def of_person(name):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, related_name=name, to=settings.AUTH_USER_MODEL
    )


def of_team(name):
    return models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name=name, to="devices.team")


class Migration(migrations.Migration):
    dependencies = [("devices", "0013_pins_and_notes")]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [
                    ("view_all_wearers", "May see every wearer"),
                    ("add_readings", "May post readings for anyone"),
                    ("run_simulator", "May run the simulator"),
                    ("export_readings", "May export the data of those they see"),
                    ("manage_people", "May manage people, teams and invitations"),
                ]
            },
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", BIG_ID.clone()),
                ("name", models.CharField(max_length=64)),
                ("description", models.CharField(blank=True, default="", max_length=200)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(django.db.models.functions.text.Lower("name"), name="team_name_once")
                ]
            },
        ),
        migrations.CreateModel(
            name="TeamAnalyst",
            fields=[
                ("id", BIG_ID.clone()),
                (
                    "role",
                    models.CharField(choices=[("member", "member"), ("lead", "lead")], default="member", max_length=6),
                ),
                ("added_at", models.DateTimeField(auto_now_add=True)),
                ("analyst", of_person("memberships")),
                ("team", of_team("analysts")),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("analyst", "team"), name="team_analyst_once")]},
        ),
        migrations.CreateModel(
            name="TeamWearer",
            fields=[
                ("id", BIG_ID.clone()),
                ("added_at", models.DateTimeField(auto_now_add=True)),
                ("team", of_team("wearers")),
                ("wearer", of_person("teams")),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("team", "wearer"), name="team_wearer_once")]},
        ),
    ]
