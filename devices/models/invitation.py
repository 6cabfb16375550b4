"""Invitations: a link by which somebody makes themselves an account, once."""

from datetime import datetime

from django.db import models
from django.db.models import Q


class Invitation(models.Model):
    """Whoever holds the secret may choose a name and a password; only its SHA-256 hash is kept.

    `person`: it is for that person, whose name the stream already uses. `made_by` is null where a command made it, or
    where they are no longer here. `note` is for those who invite: an e-mail address, a name.
    """

    class Role(models.TextChoices):
        WEARER = "wearer", "wearer"
        ANALYST = "analyst", "analyst"
        STAFF = "staff", "staff"
        ADMINISTRATOR = "administrator", "administrator"

    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    role = models.CharField(max_length=13, choices=Role)
    team = models.ForeignKey("devices.Team", null=True, on_delete=models.CASCADE, related_name="invitations")
    person = models.ForeignKey("devices.User", null=True, on_delete=models.CASCADE, related_name="invitations")
    note = models.CharField(max_length=254, blank=True, default="")
    made_by = models.ForeignKey("devices.User", null=True, on_delete=models.SET_NULL, related_name="+")
    by_command = models.BooleanField(default=False)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    used_by = models.ForeignKey("devices.User", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(revoked_at__isnull=True), name="invitation_used_or_revoked"
            )
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk} as {self.role}"

    def state(self, at: datetime) -> str:
        """`open`, `used`, `revoked` or `expired`, at that time."""
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if at < self.expires_at else "expired"
