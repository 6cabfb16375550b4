"""What must leave after a commit, written in the same transaction."""

from django.db import models
from django.db.models import Q


class OutboxEntry(models.Model):
    """One revision of one alert, to be sent at least once; (alert_id, revision) makes it once for who reads it."""

    alert_id = models.UUIDField()
    revision = models.PositiveIntegerField()
    key = models.CharField(max_length=64, help_text="The Kafka key: the user_id, #pipeline where there is none.")
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "outbox"
        constraints = [models.UniqueConstraint(fields=["alert_id", "revision"], name="outbox_once")]
        indexes = [
            # the sweep: what is not sent yet, oldest first
            models.Index(fields=["id"], condition=Q(sent_at__isnull=True), name="outbox_unsent")
        ]

    def __str__(self) -> str:
        return f"{self.alert_id} r{self.revision}"
