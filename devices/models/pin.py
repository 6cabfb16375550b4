"""Whom somebody keeps in view."""

from django.db import models


class Pin(models.Model):
    """That `viewer` keeps `person` in view: on the overview they come before others with whom nothing is wrong."""

    viewer = models.ForeignKey("devices.User", on_delete=models.CASCADE, db_index=False, related_name="pins")
    person = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(help_text="Since when.")

    class Meta:
        default_permissions = ("view",)
        # also the index of pinned_by(): the overview
        constraints = [models.UniqueConstraint(fields=["viewer", "person"], name="pin_once")]

    def __str__(self) -> str:
        return f"{self.viewer_id} keeps {self.person_id} in view"
