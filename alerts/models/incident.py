"""Incidents: alerts of one person that overlap in time and are of one class."""

import uuid

from django.db import models
from django.db.models import Q

from alerts.models.alert import Alert, AlertClass, EpisodeState, Severity, Triage
from devices.models import User


class IncidentState(models.TextChoices):
    OPEN = "open"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def visible_to(self, user: User) -> "IncidentQuerySet":
        """Those of the people `user` may see; those of nobody are for who may see everyone."""
        if user.is_active and user.has_perm("devices.view_all_wearers"):
            return self
        return self.filter(user__in=User.objects.keys_visible_to(user))


class Incident(models.Model):
    """What belongs together, as `alerts.notify.incidents` last put it; written there and nowhere else.

    `severity` is the worst of its loud members, or of all where every one is quiet. It is open while a member fires.
    """

    incident_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        "devices.User", null=True, blank=True, on_delete=models.CASCADE, related_name="incidents",
        help_text="Null: it is of the pipeline, and nobody's.",
    )  # fmt: skip
    alert_class = models.CharField("class", max_length=9, choices=AlertClass)
    state = models.CharField(max_length=9, choices=IncidentState)
    severity = models.CharField(max_length=8, choices=Severity)
    loud = models.BooleanField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Null while it is open.")
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    noticed_at = models.DateTimeField(help_text="When it was first put together.")
    changed_at = models.DateTimeField()

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", ended_at__isnull=True) | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="incident_open_no_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert_class} {self.incident_id}"


class IncidentMember(models.Model):
    """An alert and its incident, with what of the alert the incident was made from: where that differs, it is due.

    `ended_at` is null while the alert fires. A withdrawn alert stays where it was, and counts no more.
    """

    alert = models.OneToOneField(Alert, primary_key=True, on_delete=models.CASCADE, related_name="membership")
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="members")
    episode = models.CharField(max_length=9, choices=EpisodeState)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    quiet = models.BooleanField()
    triage = models.CharField(max_length=12, choices=Triage)
    renewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.alert_id} of {self.incident_id}"


class IncidentCursor(models.Model):
    """Up to when all changes of alerts are in the incidents. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    reached_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="incident_cursor_one_row")]

    def __str__(self) -> str:
        return f"to {self.reached_at.isoformat()}"
