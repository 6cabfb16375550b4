"""What is usual for a person at an hour of their own day."""

from django.db import models
from django.db.models import Q


class Baseline(models.Model):
    """The middle and the spread of a metric's values over 28 days, at one hour of the person's day; never changed.

    The rows of a person that share `valid_from` are one set, made together and under one `zone`; it holds from then
    until the next set. `median` and `mad` are null while there are too few values or days to say: "learning".
    """

    pk = models.CompositePrimaryKey("user_id", "valid_from", "metric", "local_hour")
    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, db_index=False, related_name="baselines")
    valid_from = models.DateTimeField(help_text="A UTC midnight.")
    metric = models.TextField(help_text="Its name in the catalogue.")
    local_hour = models.SmallIntegerField(help_text="0 to 23, by the clock of `zone`.")
    zone = models.TextField(help_text="The person's time zone when this was made.")
    median = models.FloatField(null=True)
    mad = models.FloatField(null=True, help_text="Median distance from the median, in the metric's unit.")
    values = models.IntegerField(help_text="How many it was made of.")
    days = models.SmallIntegerField(help_text="On how many days of the person's calendar they lie.")

    class Meta:
        # the key is the hot query, too: the sets of a person that hold in a stretch of time
        ordering = ["user_id", "valid_from", "metric", "local_hour"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(local_hour__gte=0, local_hour__lte=23), name="baseline_local_hour"),
            models.CheckConstraint(
                condition=Q(median__isnull=True, mad__isnull=True)
                | Q(median__isnull=False, mad__isnull=False, mad__gte=0),
                name="baseline_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.metric} at {self.local_hour} from {self.valid_from:%Y-%m-%d}"
