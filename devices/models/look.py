"""Who looked at whose data."""

from django.db import models


class Look(models.Model):
    """That somebody saw, or took along, a person's data; once for each hour and way, when it was first.

    `viewer` is null where they are no longer here. Exports count also where they are the person's own.
    """

    class Way(models.TextChoices):
        PAGE = "page", "their page"
        ALERT = "alert", "an alert"
        API = "api", "the API"
        EXPORT = "export", "an export"
        BYTES = "bytes", "a refused message"

    person = models.ForeignKey("devices.User", on_delete=models.CASCADE, db_index=False, related_name="looks")
    viewer = models.ForeignKey("devices.User", null=True, on_delete=models.SET_NULL, related_name="+")
    way = models.CharField(max_length=6, choices=Way)
    hour = models.DateTimeField(help_text="The hour of UTC in which it was.")
    at = models.DateTimeField(help_text="When it was first in that hour.")

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["person", "viewer", "way", "hour"], name="look_once")]
        indexes = [
            # the settings page: who looked at a person's data, newest first
            models.Index(fields=["person", "-at"], name="look_newest")
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} looked at {self.person_id}, {self.way}, {self.at.isoformat()}"
