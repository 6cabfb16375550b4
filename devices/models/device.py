"""What people wear."""

from typing import Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

MIN_CADENCE_S: Final = 0.01
MAX_CADENCE_S: Final = 86_400


class Device(models.Model):
    """A wearable of one person. Its token, kept as a SHA-256 hash, may only send that person's readings."""

    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="devices")
    kind = models.CharField(max_length=64, help_text="As the stream names it: apple_watch.")
    external_id = models.CharField(max_length=64, blank=True, default="")
    name = models.CharField(max_length=64, blank=True, default="", db_default="", help_text="What its wearer calls it.")
    cadence_s = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(MIN_CADENCE_S), MaxValueValidator(MAX_CADENCE_S)],
        help_text="Expected seconds between readings.",
    )
    last_seen_at = models.DateTimeField(null=True, blank=True)
    token_hash = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    token_made_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["kind", "external_id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "external_id"], name="device_once"),
            models.CheckConstraint(condition=Q(cadence_s__isnull=True) | Q(cadence_s__gt=0), name="device_cadence"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.kind} {self.external_id}".strip()
