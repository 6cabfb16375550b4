"""A person's hour or day in numbers."""

from django.db import models


class Summary(models.Model):
    """Count, minimum, average and maximum of each metric, and alerts by severity, over [start, start + period), UTC."""

    class Period(models.TextChoices):
        HOUR = "hour"
        DAY = "day"

    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="summaries")
    period = models.CharField(max_length=4, choices=Period)
    start = models.DateTimeField()
    readings = models.PositiveIntegerField()
    metrics = models.JSONField(help_text='{"heart_rate": {"count": 60, "min": 58, "avg": 64.2, "max": 80}}')
    alerts = models.JSONField(help_text='{"HIGH": 1}')
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "summaries"
        ordering = ["user", "period", "-start"]
        constraints = [models.UniqueConstraint(fields=["user", "period", "start"], name="summary_once")]

    def __str__(self) -> str:
        return f"{self.user} {self.period} {self.start:%Y-%m-%d %H:%M}"


class DueHour(models.Model):
    """A person's hour that new readings fell into, to be summed up again.

    Written in the transaction that stored them; `minute` (of our clock, since 1970) is when. Hours of a minute that is
    over are taken; nobody writes those any more, so that marking and summing up never wait for each other.
    """

    pk = models.CompositePrimaryKey("start", "user_id", "minute")
    start = models.DateTimeField()
    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, db_index=False, related_name="+")
    minute = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.user_id} {self.start:%Y-%m-%d %H:%M}"
