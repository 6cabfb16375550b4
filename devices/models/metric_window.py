"""Windows: what a person's readings come to, minute by minute."""

from typing import Final

from django.db import models

from devices.metrics import METRICS, NUMERIC


class MetricWindow(models.Model):
    """Aggregates of one person's readings over [ended_at - size_s, ended_at), a window every `every_s` of UTC.

    Complete windows alone are kept, and each is what its stored readings give, also after readings that came late.
    Beside these columns there are five for each numeric metric: `count_`, `avg_`, `min_`, `max_` and `stddev_`
    (of the sample); where a window has no value of the metric, the count is 0 and the others are null. Sliding windows
    are kept where a rule sees them, and of the metrics that it reads: the counts of the others are null, too.
    """

    pk = models.CompositePrimaryKey("user_id", "size_s", "every_s", "ended_at")
    user = models.ForeignKey(
        "devices.User", on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="windows"
    )
    size_s = models.IntegerField()
    every_s = models.IntegerField()
    ended_at = models.DateTimeField(help_text="The end of the window, which does not belong to it.")
    received_at = models.DateTimeField(
        help_text="When the reading came that completed it; our clock's time without one."
    )
    is_fresh = models.BooleanField(help_text="Whether that reading was fresh and near, and no late one has changed it.")
    flags = models.IntegerField(help_text="Those of any of its readings: bits of devices.metrics.Flag.")
    count = models.IntegerField(help_text="How many readings.")

    class Meta:
        # the key is the hot query, too: the windows of a person and size in a stretch of time
        ordering = ["user_id", "size_s", "every_s", "ended_at"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.user_id} {self.size_s} s to {self.ended_at.isoformat()}"


AGGREGATES: Final = ("count", "avg", "min", "max", "stddev")
for _name in NUMERIC:
    MetricWindow.add_to_class(f"count_{_name}", models.IntegerField(null=True))
    for _aggregate in AGGREGATES[1:]:
        MetricWindow.add_to_class(f"{_aggregate}_{_name}", models.FloatField(null=True, help_text=METRICS[_name].unit))

# The order in which windows are written.
WINDOW_COLUMNS: Final = tuple(field.attname for field in MetricWindow._meta.concrete_fields)
