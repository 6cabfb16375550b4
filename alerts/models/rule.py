"""Rules as the database keeps them: a name, and versions of YAML that are never rewritten."""

from django.db import models
from django.db.models import F, Q


class Rule(models.Model):
    """A rule by its id (`tachycardia-at-rest`). What it says stands in its versions."""

    rule_id = models.CharField("id", max_length=64, unique=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["rule_id"]

    def __str__(self) -> str:
        return self.rule_id


class RuleVersion(models.Model):
    """One wording of a rule, for the rows received in [active_from, active_until)."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.TextField(help_text="YAML.")
    active_from = models.DateTimeField()
    active_until = models.DateTimeField(null=True, blank=True)
    made_by = models.ForeignKey("devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["rule", "number"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="rule_version_once"),
            models.UniqueConstraint(
                fields=["rule"], condition=Q(active_until__isnull=True), name="rule_one_active_version"
            ),
            models.CheckConstraint(
                condition=Q(active_until__isnull=True) | Q(active_until__gte=F("active_from")),
                name="rule_version_span",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} v{self.number}"


class RuleChange(models.Model):
    """Who made, enabled or disabled which version of a rule, when, from when on it holds, and why."""

    class Action(models.TextChoices):
        NEW_VERSION = "new_version"
        ENABLE = "enable"
        DISABLE = "disable"

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="changes")
    number = models.PositiveIntegerField(help_text="The version that begins or ends.")
    action = models.CharField(max_length=11, choices=Action)
    at = models.DateTimeField()
    effective_at = models.DateTimeField()
    by = models.ForeignKey("devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["rule", "-pk"]

    def __str__(self) -> str:
        return f"{self.rule} {self.action} v{self.number}"
