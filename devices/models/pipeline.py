"""What the pipeline says of itself, for pages that must not ask the pipeline."""

from django.db import models


class Installation(models.Model):
    """One row: when Telara was installed here. Partitions are months from that month on, years before it."""

    installed_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="installation_one_row")]

    def __str__(self) -> str:
        return f"installed {self.installed_at:%Y-%m-%d}"


class BackgroundTick(models.Model):
    """One row: when the background worker (Celery's) last worked by the clock, and since when it has seen no consumer
    of the stream, without having been away itself. See `devices.background`."""

    at = models.DateTimeField()
    alone_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="background_tick_one_row")]

    def __str__(self) -> str:
        return self.at.isoformat()


class PipelineStatus(models.Model):
    """The figures of one consumer, rewritten every 2 s; a row older than 10 s belongs to a consumer that is gone.

    `partitions` holds [topic, partition, polled up to, messages that wait] of each that it reads.
    """

    consumer = models.CharField(max_length=128, primary_key=True)
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField()
    lag = models.BigIntegerField(default=0, help_text="Messages not yet consumed, over its partitions.")
    events_per_second = models.FloatField(default=0)
    delay_p99_s = models.FloatField(null=True, help_text="Receipt to commit, 99th percentile of the last minute.")
    evaluated_at = models.DateTimeField(null=True, help_text="When the rules last ran over a batch.")
    stored = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    quarantined = models.BigIntegerField(default=0)
    partitions = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "pipeline status"

    def __str__(self) -> str:
        return self.consumer
