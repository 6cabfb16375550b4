"""Notifications: whom to tell of what, by which channel, and what became of it."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from alerts.models.alert import AlertClass, Severity
from alerts.models.incident import Incident


class Channel(models.Model):
    """A way to a person. Where it leads is sealed (`alerts.notify.sealing`); `shown` is what people may read of it."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook"
        APPRISE = "apprise", "Service"

    owner = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=7, choices=Kind)
    shown = models.CharField("address", max_length=128)
    sealed_address = models.TextField()
    sealed_secret = models.TextField(blank=True, default="", help_text="What a webhook is signed with.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["owner", "name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="channel_name_once")]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """Tell its owner, by a channel, of the incidents they may see that are at least so severe.

    `wait_min` minutes after it began, and only while nobody looks after it; then every `repeat_min` minutes,
    `repeat_most` times at most. Between `quiet_from` and `quiet_until` on the owner's clock it keeps still, but for
    CRITICAL where `critical_pierces`.
    """

    LONGEST_WAIT_MIN = 24 * 60
    MOST_REPEATS = 20

    owner = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="routes")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="routes")
    wearer = models.ForeignKey(
        "devices.User", null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        help_text="Empty: everybody whom the owner may see.",
    )  # fmt: skip
    least_severity = models.CharField(max_length=8, choices=Severity, default=Severity.HIGH)
    alert_class = models.CharField("class", max_length=9, choices=AlertClass, blank=True, default="")
    wait_min = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(LONGEST_WAIT_MIN)])
    repeat_min = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WAIT_MIN)]
    )
    repeat_most = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(MOST_REPEATS)])
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    critical_pierces = models.BooleanField(default=True)
    with_details = models.BooleanField(default=False, help_text="Who it is and what happened, with values.")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["owner", "wait_min", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | (Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until"))),
                name="route_quiet_hours",
                violation_error_message="Quiet hours have a beginning and another end, or neither.",
            ),
            models.CheckConstraint(condition=Q(wait_min__lte=24 * 60), name="route_wait"),
            models.CheckConstraint(condition=Q(repeat_min__range=(1, 24 * 60)), name="route_repeat"),
            models.CheckConstraint(condition=Q(repeat_most__lte=20), name="route_repeat_most"),
        ]

    def __str__(self) -> str:
        return f"{self.owner_id} by {self.channel_id}"


class Notice(models.Model):
    """How far a route is with an incident. `round` counts how often the incident was open since it was last over.

    `told` is the rank of the worst severity that was told in this round, 0 for none; `sent_at` when a message of the
    round last arrived; `next_at` when there is to be looked again, null where only a change of the incident matters.
    """

    route = models.ForeignKey(Route, on_delete=models.CASCADE, db_index=False, related_name="notices")
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="notices")
    round = models.PositiveIntegerField(default=1)
    since = models.DateTimeField(help_text="When the round began.")
    told = models.PositiveSmallIntegerField(default=0)
    repeats = models.PositiveSmallIntegerField(default=0)
    over = models.BooleanField(default=False, help_text="The end of the round is told, or needs no telling.")
    last_at = models.DateTimeField(null=True, blank=True, help_text="When a message of the round was last made.")
    sent_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            # also the index of a route's notices
            models.UniqueConstraint(fields=["route", "incident"], name="notice_once")
        ]
        indexes = [
            # notices_decide(): what is due
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="notice_due")
        ]

    def __str__(self) -> str:
        return f"{self.route_id} of {self.incident_id}"


class Delivery(models.Model):
    """A message: one id, however often it is sent. The log, and what is still to be sent."""

    class Kind(models.TextChoices):
        START = "start"
        AGAIN = "again", "open again"
        HIGHER = "higher", "worse"
        STILL = "still", "still going on"
        END = "end", "ended"
        WITHDRAWN = "withdrawn"
        MORE = "more", "many together"
        TEST = "test"

    class State(models.TextChoices):
        PENDING = "pending", "on its way"
        SENT = "sent"
        FAILED = "failed"
        DROPPED = "dropped"
        BUNDLED = "bundled", "told with others"

    delivery_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    notice = models.ForeignKey(Notice, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    bundle = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="bundled",
        help_text="The message about many that tells of this one.",
    )  # fmt: skip
    round = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=9, choices=Kind)
    severity = models.CharField(max_length=8, choices=Severity, blank=True, default="")
    state = models.CharField(max_length=7, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True, default="", help_text="Why it failed or was dropped.")
    made_at = models.DateTimeField()
    next_at = models.DateTimeField(null=True, blank=True, help_text="When to try, or to try again.")
    done_at = models.DateTimeField(null=True, blank=True)
    noted = models.BooleanField(default=False, help_text="That it failed is part of a technical alert.")

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="pending", next_at__isnull=False) | (~Q(state="pending") & Q(next_at__isnull=True)),
                name="delivery_pending_next",
            ),
        ]
        indexes = [
            # deliveries_claim(): what is due, oldest first
            models.Index(fields=["next_at"], condition=Q(state="pending"), name="delivery_due"),
            # failures_take(): what failed and nobody noted
            models.Index(fields=["done_at"], condition=Q(state="failed", noted=False), name="delivery_failed"),
            # the log of a channel, newest first
            models.Index(fields=["channel", "-made_at"], name="delivery_channel_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.delivery_id}"
