"""What detection saves of its state."""

from django.db import models


class DetectionState(models.Model):
    """What was pending of a person, under the rules of one source, once their rows up to `reached_at` were seen.

    A cache: with it a restart reads no row before, without it the rows from the last moment at which nothing was
    pending. `rules` are [id, version] pairs, `runs` are [id, version, run].
    """

    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, db_index=False, related_name="+")
    source = models.CharField(max_length=64)
    reached_at = models.DateTimeField()
    rules = models.JSONField()
    runs = models.JSONField()
    saved_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            # also the index of a rebuild: the states of some people
            models.UniqueConstraint(fields=["user", "source"], name="detection_state_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.source} to {self.reached_at.isoformat()}"
