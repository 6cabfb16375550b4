"""Saved views of the alerts list."""

from django.db import models


class SavedView(models.Model):
    """A name that a person gave to a narrowing of the alerts list; `query` is its address behind the question mark."""

    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=40)
    query = models.TextField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_view_once")]

    def __str__(self) -> str:
        return self.name
