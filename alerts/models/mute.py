"""Mutes: planned activity, announced beforehand, during which rules by name stay quiet for one person."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class Mute(models.Model):
    """For [starts_at, ends_at) nobody is told what these rules find of a person. Detection goes on.

    `ends_at` moves when somebody ends it early; `over_at` is when its end was taken note of.
    """

    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="mutes")
    rules = ArrayField(models.CharField(max_length=64), help_text="The rules that stay quiet, by id.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    why = models.CharField(max_length=200)
    made_by = models.ForeignKey("devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField()
    over_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-starts_at", "-pk"]
        constraints = [models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="mute_order")]
        indexes = [
            # mutes_end(), every 2 s; the mutes of a person that are on or to come
            models.Index(fields=["ends_at"], condition=Q(over_at__isnull=True), name="mute_not_over"),
            # Mutes.read(), every 2 s: those that reach past the oldest reading under way
            models.Index(fields=["-ends_at"], name="mute_newest_end"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {', '.join(self.rules)} until {self.ends_at:%Y-%m-%d %H:%M}"


class MuteChange(models.Model):
    """One change of a mute: who, when, what, why. `by` is null where it ended by itself."""

    class Action(models.TextChoices):
        MADE = "made"
        ENDED = "ended"  # by somebody, early
        OVER = "over"

    mute = models.ForeignKey(Mute, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    by = models.ForeignKey("devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=5, choices=Action)
    was = models.DateTimeField(null=True, blank=True, help_text="The end before.")
    became = models.DateTimeField(help_text="The end from then on.")
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["mute", "pk"]

    def __str__(self) -> str:
        return f"{self.mute_id} {self.action}"
