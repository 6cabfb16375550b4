"""Alerts: the episode, written by the engine alone, and the triage, written by people alone."""

import uuid

from django.db import models
from django.db.models import F, Q

from devices.models import User


class Severity(models.TextChoices):
    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFO = "INFO"


class AlertClass(models.TextChoices):
    CLINICAL = "clinical"
    TECHNICAL = "technical"


class EpisodeState(models.TextChoices):
    FIRING = "firing"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


class End(models.TextChoices):
    CLEARED = "cleared"
    GAP = "gap"
    RULE_CHANGED = "rule_changed"
    RULE_DISABLED = "rule_disabled"


class Triage(models.TextChoices):
    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLOSED = "closed"


class QuietReason(models.TextChoices):
    LATE = "late"
    COOLDOWN = "cooldown"
    EXPECTED = "expected"  # a silence: somebody switched the person's readings off
    MUTED = "muted"  # planned activity: somebody said that these rules are to stay quiet for a while


class CloseReason(models.TextChoices):
    TRUE = "true"
    BENIGN = "benign"
    FALSE_ALARM = "false_alarm"
    DUPLICATE = "duplicate"
    EXPECTED = "expected"


class AlertQuerySet(models.QuerySet["Alert"]):
    def visible_to(self, user: User) -> "AlertQuerySet":
        """The alerts of the people `user` may see; those of nobody are for who may see everyone."""
        if user.is_active and user.has_perm("devices.view_all_wearers"):
            return self
        return self.filter(user__in=User.objects.keys_visible_to(user))

    def open(self) -> "AlertQuerySet":
        """What a person who watches still has to look at: not withdrawn, not closed."""
        return self.exclude(episode=EpisodeState.WITHDRAWN).exclude(triage=Triage.CLOSED)

    def standing(self) -> "AlertQuerySet":
        """Alerts that an episode of the data stands behind."""
        return self.exclude(episode=EpisodeState.WITHDRAWN)


class Alert(models.Model):
    """One episode of one rule for one person, or, of a rule over the pipeline, for nobody.

    `started_at` is the first matching reading, `opened_at` the one that opened it, `ended_at` the last matching one so
    far; `settled_at` is when the end was certain by the data: null while it may go on, and after an end by the sweep or
    with the rule, until readings settle it.
    """

    alert_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey("alerts.Rule", on_delete=models.PROTECT, related_name="alerts")
    rule_version = models.PositiveIntegerField()
    user = models.ForeignKey(
        "devices.User", null=True, blank=True, on_delete=models.CASCADE, related_name="alerts",
        help_text="Null: the alert is of the pipeline, and nobody's.",
    )  # fmt: skip
    alert_type = models.CharField(max_length=64)
    title = models.CharField(max_length=128)
    severity = models.CharField(max_length=8, choices=Severity)
    alert_class = models.CharField("class", max_length=9, choices=AlertClass)
    replaces = models.CharField(max_length=64, blank=True, default="", help_text="The rule whose row this one takes.")

    episode = models.CharField(max_length=9, choices=EpisodeState)
    end = models.CharField(max_length=13, choices=End, null=True, blank=True)
    withdrawn_because = models.CharField(max_length=13, blank=True, default="")
    started_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    provisional = models.BooleanField(default=False)
    event_count = models.PositiveIntegerField()
    measures = models.JSONField(default=dict)
    evidence = models.JSONField(default=dict)
    description = models.TextField()
    quiet = models.BooleanField(default=False)
    quiet_reason = models.CharField(max_length=8, choices=QuietReason, null=True, blank=True)
    loud_at = models.DateTimeField(null=True, blank=True, help_text="When somebody was first told.")

    triage = models.CharField(max_length=12, choices=Triage, default=Triage.NEW)
    triage_before_snooze = models.CharField(max_length=12, choices=Triage, blank=True, default="")
    triaged_by = models.ForeignKey("devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    triaged_at = models.DateTimeField(null=True, blank=True)
    assignee = models.ForeignKey(
        "devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="Whom it was given to; null: nobody in particular.",
    )  # fmt: skip
    snoozed_until = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=11, choices=CloseReason, blank=True, default="")
    renewed_at = models.DateTimeField(
        null=True, blank=True,
        help_text="When a snooze or a mute of it ran out while it fired: whoever is told of it is told again.",
    )  # fmt: skip

    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(started_at__lte=F("opened_at")) & Q(opened_at__lte=F("ended_at")), name="alert_order"
            ),
            models.CheckConstraint(
                condition=Q(episode="firing", end__isnull=True) | ~Q(episode="firing"), name="alert_firing_no_end"
            ),
            models.CheckConstraint(
                condition=Q(episode="ended", end__isnull=False) | ~Q(episode="ended"), name="alert_ended_end"
            ),
            models.CheckConstraint(condition=Q(quiet=Q(quiet_reason__isnull=False)), name="alert_quiet_reason"),
            models.CheckConstraint(
                condition=Q(triage="snoozed", snoozed_until__isnull=False)
                | (~Q(triage="snoozed") & Q(snoozed_until__isnull=True)),
                name="alert_snoozed_until",
            ),
            models.CheckConstraint(
                condition=(Q(triage="closed") & ~Q(close_reason="")) | (~Q(triage="closed") & Q(close_reason="")),
                name="alert_close_reason",
            ),
        ]
        indexes = [
            # the wall, the log and the desk: what is not closed, newest first
            models.Index(
                fields=["-opened_at"],
                condition=~Q(episode="withdrawn") & ~Q(triage="closed"),
                name="alert_open_newest",
            ),
            # the desk's other states, newest first
            models.Index(fields=["-opened_at", "alert_id"], name="alert_newest"),
            # a person's page; reconcile(): the alerts of a person and rule around a stretch
            models.Index(fields=["user", "rule", "started_at"], name="alert_person_rule_start"),
            # alerts_revision(), recently changed ones; what changed since
            models.Index(fields=["-changed_at"], name="alert_changed"),
            # snoozes_end(), every 2 s; hushes_of(): the snoozes that are on
            models.Index(fields=["snoozed_until"], condition=Q(triage="snoozed"), name="alert_snoozed"),
        ]

    def __str__(self) -> str:
        return f"{self.alert_type} {self.alert_id}"

    @property
    def user_id_of_stream(self) -> str | None:
        """Whose it is, by the name that the stream gives them; None: nobody's. Reads the user."""
        return self.user.username if self.user else None

    @property
    def whose(self) -> str:
        """Whose it is, as people read it. Reads the user."""
        return self.user.shown_name if self.user else "Pipeline"


class AlertChange(models.Model):
    """One change of an alert: who, when, from, to, why. `by` is null where the engine or the clock did it."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="changes")
    revision = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.ForeignKey("devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=24)
    was = models.CharField(max_length=32, blank=True, default="")
    became = models.CharField(max_length=32, blank=True, default="")
    note = models.TextField(blank=True, default="")
    until = models.DateTimeField(null=True, blank=True, help_text="Until when it was snoozed.")

    class Meta:
        ordering = ["alert", "revision"]
        constraints = [models.UniqueConstraint(fields=["alert", "revision"], name="alert_change_once")]

    def __str__(self) -> str:
        return f"{self.alert_id} r{self.revision} {self.action}"
