import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Mails about people's own accounts, on their way and lately sent."""

    dependencies = [
        ("devices", "0021_erasure_failure"),
    ]

    operations = [
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(max_length=254)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("link", "link for a new password"),
                            ("check", "question whether an address is theirs"),
                            ("news", "news about the account"),
                        ],
                        max_length=8,
                    ),
                ),
                ("verb", models.CharField(blank=True, default="", max_length=32)),
                ("what", models.CharField(blank=True, default="", max_length=200)),
                ("caller", models.GenericIPAddressField(blank=True, null=True)),
                ("by_other", models.BooleanField(default=False)),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sent", "sent"),
                            ("refused", "refused"),
                            ("given_up", "given up"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=200)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=models.deletion.CASCADE,
                        related_name="mails",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["next_at"], condition=models.Q(("state", "waiting")), name="mail_due"),
                    models.Index(fields=["user", "-made_at"], name="mail_of_person"),
                ],
            },
        ),
    ]
