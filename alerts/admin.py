"""The admin of alerts, rules, summaries and the outbox."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from alerts.admin_decide import acknowledge, close, snooze
from alerts.admin_forms import RuleForm
from alerts.models import (
    Alert,
    AlertChange,
    Channel,
    Delivery,
    Incident,
    IncidentMember,
    Mute,
    MuteChange,
    OutboxEntry,
    Route,
    Rule,
    RuleChange,
    RuleVersion,
    Summary,
)
from alerts.services.rules import rule_disable, rule_enable, rule_write
from devices.admin_base import (
    ModelAdmin,
    OfVisiblePeople,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReadOnlyPeopleAdmin,
    signed_in,
)
from devices.models import User


class AlertChangeInline(ReadOnlyInline):
    """Who did what to an alert, and why."""

    model = AlertChange
    fields = ("revision", "at", "by", "action", "was", "became", "note")
    readonly_fields = fields
    verbose_name_plural = "history"


@admin.register(Alert)
class AlertAdmin(OfVisiblePeople, ReadOnlyAdmin):
    """Triage. An alert is never edited: people decide, the engine writes the rest."""

    is_health_data = True
    list_display = ["title", "severity", "of", "episode", "triage", "triaged_by", "opened_at", "event_count", "quiet"]
    list_filter = ["severity", "triage", "episode", "alert_class", "quiet", "close_reason", "rule"]
    list_select_related = ["user", "rule", "triaged_by"]
    search_fields = ["title", "alert_type", "rule__rule_id", "user__username", "user__display_name"]
    search_help_text = "Title, type, rule or person"
    ordering = ["-opened_at"]
    actions = [acknowledge, snooze, close]
    inlines = [AlertChangeInline]

    @admin.display(description="user", ordering="user")
    def of(self, alert: Alert) -> str:
        """Whose it is, by the name that the stream gives them."""
        return alert.user_id_of_stream or alert.whose

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the decisions are offered."""
        return signed_in(request).has_perm("alerts.change_alert")


class RuleVersionInline(ReadOnlyInline):
    """What a rule said, and when."""

    model = RuleVersion
    fields = ("number", "active_from", "active_until", "made_by", "made_at", "source")
    readonly_fields = fields
    select_related = ("made_by",)
    ordering = ("-number",)


class RuleChangeInline(ReadOnlyInline):
    """Who changed a rule, and why."""

    model = RuleChange
    fields = ("at", "by", "action", "number", "effective_at", "note")
    readonly_fields = fields


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    """Rules. Editing one makes a version; none is deleted, its alerts name it: disable it."""

    form = RuleForm
    fields = ["based_on", "source", "note"]
    list_display = ["rule_id", "enabled", "version", "active_from"]
    list_filter = ["enabled"]
    search_fields = ["rule_id"]
    inlines = [RuleVersionInline, RuleChangeInline]
    actions = ["enable", "disable"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        newest = RuleVersion.objects.filter(rule=OuterRef("pk")).order_by("-number")
        rules: QuerySet[Rule] = super().get_queryset(request)
        return rules.annotate(
            newest_number=Subquery(newest.values("number")[:1]), newest_from=Subquery(newest.values("active_from")[:1])
        )

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        return list(super().get_inlines(request, obj)) if obj else []

    @admin.display(ordering="newest_number")
    def version(self, rule: Any) -> int | None:
        number: int | None = rule.newest_number
        return number

    @admin.display(ordering="newest_from")
    def active_from(self, rule: Any) -> Any:
        return rule.newest_from

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        """Make a version; the form has linted it."""
        given = form.cleaned_data
        version = rule_write(
            rule=obj if change else None,
            source=given["source"],
            based_on=given["based_on"],
            note=given["note"],
            by=signed_in(request),
            at=timezone.now(),
        )
        obj.pk, obj.rule_id = version.rule_id, version.rule.rule_id
        since = f"active from {timezone.localtime(version.active_from):%H:%M:%S}."
        self.message_user(request, f"{version} is {'off, and says the same.' if version.active_until else since}")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rules: QuerySet[Rule]) -> None:
        for rule in rules:
            rule_enable(rule=rule, by=signed_in(request), at=timezone.now(), note="in the admin")

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rules: QuerySet[Rule]) -> None:
        for rule in rules:
            rule_disable(rule=rule, by=signed_in(request), at=timezone.now(), note="in the admin")


class MuteChangeInline(ReadOnlyInline):
    """Who planned, ended or let run out what."""

    model = MuteChange
    fields = ("at", "by", "action", "was", "became", "note")
    readonly_fields = fields


@admin.register(Mute)
class MuteAdmin(ReadOnlyPeopleAdmin):
    """Planned activity: whose rules were quiet, when, and why."""

    list_display = ["user", "rules", "starts_at", "ends_at", "why", "made_by"]
    list_filter = [("over_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user", "made_by"]
    search_fields = ["=user__username", "why"]
    search_help_text = "User id or why"
    ordering = ["-starts_at"]
    inlines = [MuteChangeInline]


@admin.register(Summary)
class SummaryAdmin(ReadOnlyPeopleAdmin):
    """People's hours and days in numbers."""

    is_health_data = True
    list_display = ["user", "period", "start", "readings", "alerts", "made_at"]
    list_filter = ["period"]
    ordering = ["-start"]


@admin.register(OutboxEntry)
class OutboxAdmin(ReadOnlyAdmin):
    """What goes to `biometrics-alerts`, and what of it has gone. What it says is read with the alert."""

    fields = ["alert_id", "revision", "key", "created_at", "sent_at"]
    list_display = ["alert_id", "revision", "key", "created_at", "sent_at"]
    list_filter = [("sent_at", admin.EmptyFieldListFilter)]
    search_fields = ["=alert_id", "=key"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxEntry]:
        """Of those whom the one who looks may see; of nobody, the pipeline's, for who sees everybody."""
        entries: QuerySet[OutboxEntry] = super().get_queryset(request)
        user = signed_in(request)
        if user.has_perm("devices.view_all_wearers"):
            return entries
        return entries.filter(key__in=User.objects.visible_to(user).values("username"))


class IncidentMemberInline(ReadOnlyInline):
    """The alerts of an incident."""

    model = IncidentMember
    fields = ("alert", "episode", "started_at", "ended_at", "quiet", "triage")
    readonly_fields = fields
    select_related = ("alert",)


@admin.register(Incident)
class IncidentAdmin(ReadOnlyPeopleAdmin):
    """Alerts of one person that belong together."""

    is_health_data = True
    list_display = ["incident_id", "user", "alert_class", "severity", "state", "loud", "started_at", "ended_at"]
    list_filter = ["state", "severity", "alert_class", "loud"]
    ordering = ["-started_at"]
    inlines = [IncidentMemberInline]


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin, OfVisiblePeople):
    """The ways to people. Where they lead is sealed, and shown to nobody."""

    whose = "owner"
    fields = ["owner", "name", "kind", "shown", "created_at"]
    list_display = ["name", "owner", "kind", "shown", "created_at"]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    search_fields = ["=owner__username", "name"]


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin, OfVisiblePeople):
    """Who is told of what, and of whom, as far as the one who looks may see both."""

    whose = "owner"
    list_display = ["owner", "channel", "wearer", "least_severity", "alert_class", "wait_min", "repeat_most", "enabled"]
    list_filter = ["least_severity", "enabled"]
    list_select_related = ["owner", "channel", "wearer"]
    search_fields = ["=owner__username"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        routes: QuerySet[Route] = super().get_queryset(request)
        return routes.filter(Q(wearer=None) | Q(wearer__in=User.objects.visible_to(signed_in(request))))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin, OfVisiblePeople):
    """What was sent, and what became of it."""

    whose = "channel__owner"
    list_display = ["delivery_id", "channel", "kind", "severity", "state", "attempts", "made_at", "done_at", "note"]
    list_filter = ["state", "kind"]
    list_select_related = ["channel"]
    search_fields = ["=channel__owner__username"]
    ordering = ["-made_at"]
