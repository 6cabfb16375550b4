"""Alerts, rules and summaries as the API reads and writes them."""

from datetime import UTC
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from alerts.absences import silence_json
from alerts.circumstances import circumstances_json
from alerts.engine import Rule as EngineRule
from alerts.engine.rule import PIPELINE_EVENTS
from alerts.explain import explain, rule_of
from alerts.mishaps import mishaps_json
from alerts.models import Alert, AlertChange, Rule, RuleVersion, Summary
from alerts.models.alert import AlertClass, CloseReason, End, EpisodeState, QuietReason, Severity, Triage
from alerts.reworded import description_in
from alerts.services.triage import NOTE_LENGTH
from alerts.wire import alert_json
from devices.fields import AwareDateTimeField, UnitsField, ZoneField
from devices.metrics import CANONICAL
from devices.serializers import UnitsQuery
from devices.units import shown_aggregates


class Statistics(serializers.Serializer[None]):
    """A measure over the matching readings."""

    avg = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()


class AlertSerializer(serializers.Serializer[Alert]):
    """An alert as topic and socket have it, too."""

    alert_id = serializers.UUIDField()
    revision = serializers.IntegerField()
    alert_type = serializers.CharField()
    rule_id = serializers.CharField()
    rule_version = serializers.IntegerField()
    user_id = serializers.CharField(allow_null=True, help_text="Null: the alert is of the pipeline, and nobody's.")
    severity = serializers.ChoiceField(choices=Severity.choices)
    episode = serializers.ChoiceField(choices=EpisodeState.choices)
    end = serializers.ChoiceField(choices=End.choices, allow_null=True)
    status = serializers.ChoiceField(choices=Triage.choices)
    quiet = serializers.BooleanField()
    quiet_reason = serializers.ChoiceField(choices=QuietReason.choices, allow_null=True)
    start_time = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    end_time = serializers.DateTimeField()
    event_count = serializers.IntegerField()
    measures = serializers.DictField(child=Statistics())
    avg_heart_rate = serializers.FloatField(required=False)
    description = serializers.CharField(help_text="In the units and by the clock that were asked for.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`class` is no name in Python."""
        return super().get_fields() | {"class": serializers.ChoiceField(choices=AlertClass.choices)}

    def to_representation(self, alert: Alert) -> dict[str, Any]:
        """Its sentence in the units and by the clock that the context has; numbers stay those of the rule."""
        units, zone = self.context.get("units", CANONICAL), self.context.get("time_zone", UTC)
        return alert_json(alert) | {"description": description_in(alert, units, zone)}


class AlertChangeSerializer(serializers.ModelSerializer[AlertChange]):
    """One change: who (null: the engine or the clock), when, from, to, why."""

    by = serializers.CharField(source="by.username", default=None, allow_null=True)

    class Meta:
        model = AlertChange
        fields = ["revision", "at", "by", "action", "was", "became", "note"]


class PartSerializer(serializers.Serializer[None]):
    """A part of the condition, and the columns that it reads."""

    text = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())


class JudgedSerializer(serializers.Serializer[None]):
    """A reading, and what each part of the condition says of it. `number` counts the matching readings from 1; 0 is
    the one before them, where it is still stored."""

    number = serializers.IntegerField()
    recorded_at = serializers.DateTimeField()
    event_id = serializers.CharField()
    values = serializers.DictField(help_text="Number, text or null by column.")
    verdicts = serializers.ListField(child=serializers.ChoiceField(choices=("TRUE", "FALSE", "NULL")))
    doubts = serializers.DictField(
        child=serializers.CharField(),
        help_text="By metric why a value is in doubt: jump, stuck, out of bounds; not worn where there is none.",
    )


class ExplanationSerializer(serializers.Serializer[None]):
    """Why it fired: all parts (`AND`) or one of them (`OR`) must be TRUE. Of the matching readings the first and the
    last 20 are kept."""

    joined_by = serializers.ChoiceField(choices=("AND", "OR"))
    parts = PartSerializer(many=True)
    readings = JudgedSerializer(many=True)


class CircumstancesSerializer(serializers.Serializer[None]):
    """How the person was when it opened; `still_at_least`: perhaps for longer. `suspect_count` matching readings were
    in doubt: out of their plausible range, a jump, or stuck."""

    still_since = serializers.DateTimeField(allow_null=True)
    still_at_least = serializers.BooleanField()
    posture = serializers.CharField(allow_null=True)
    sleep_stage = serializers.CharField(allow_null=True)
    suspect_count = serializers.IntegerField()


class SilenceSerializer(serializers.Serializer[None]):
    """Why a rule over absence fired: nothing was heard for `limit_s`, counted from `counted_from` on, which is later
    than `heard_at` where Telara had not listened, or the rule was not on. The limit is `factor` x `cadence_s` (the
    usual time between two readings), and `at_least_s` at least."""

    heard_at = serializers.DateTimeField()
    counted_from = serializers.DateTimeField()
    cadence_s = serializers.FloatField()
    cadence_is_set = serializers.BooleanField(help_text="For a device; otherwise by the last 50 readings.")
    limit_s = serializers.FloatField()
    factor = serializers.FloatField()
    at_least_s = serializers.FloatField()


class MishapSerializer(serializers.Serializer[None]):
    """What befell the pipeline, and when it was noticed."""

    at = serializers.DateTimeField()
    text = serializers.CharField()


class MishapsSerializer(serializers.Serializer[None]):
    """Why a rule over the pipeline fired: the `event` was noticed so many `times`; the first and last 20 are kept."""

    event = serializers.ChoiceField(choices=PIPELINE_EVENTS)
    times = serializers.IntegerField()
    first = MishapSerializer(many=True)
    last = MishapSerializer(many=True)


class AlertDetailSerializer(AlertSerializer):
    """With why it fired, what was decided and what happened."""

    title = serializers.CharField()
    close_reason = serializers.ChoiceField(choices=CloseReason.choices, allow_null=True)
    snoozed_until = serializers.DateTimeField(allow_null=True)
    triaged_by = serializers.CharField(allow_null=True)
    triaged_at = serializers.DateTimeField(allow_null=True)
    assignee = serializers.CharField(allow_null=True, help_text="Whom it was given to; null: nobody in particular.")
    evidence = serializers.JSONField(help_text="The first and the last matching readings.")
    explanation = ExplanationSerializer(
        allow_null=True,
        help_text="Null for a rule over no rows, and where this release can no longer read the version that fired.",
    )
    silence = SilenceSerializer(allow_null=True, help_text="Of a rule over absence; else null.")
    mishaps = MishapsSerializer(allow_null=True, help_text="Of a rule over the pipeline; else null.")
    circumstances = CircumstancesSerializer()
    history = AlertChangeSerializer(many=True)

    def to_representation(self, alert: Alert) -> dict[str, Any]:
        rule = rule_of(alert)
        return super().to_representation(alert) | {
            "title": alert.title,
            "close_reason": alert.close_reason or None,
            "snoozed_until": alert.snoozed_until,
            "triaged_by": alert.triaged_by.username if alert.triaged_by else None,
            "triaged_at": alert.triaged_at,
            "assignee": alert.assignee.username if alert.assignee else None,
            "evidence": {name: kept for name, kept in alert.evidence.items() if name not in _APART},
            "explanation": explain(alert, rule).as_json() if isinstance(rule, EngineRule) else None,
            "silence": silence_json(alert),
            "mishaps": mishaps_json(alert),
            "circumstances": circumstances_json(alert),
            "history": AlertChangeSerializer(alert.changes.select_related("by"), many=True).data,
        }


_APART: Final = frozenset({"circumstances", "mishaps", "silence"})  # of the evidence; they have fields of their own


class SaidQuery(UnitsQuery):
    """In which units, and by which clock sentences are."""

    time_zone = ZoneField()


class AlertQuery(serializers.Serializer[None]):
    """Which alerts. What may be given more than once means any of them."""

    status = serializers.MultipleChoiceField(choices=Triage.choices, required=False)
    severity = serializers.MultipleChoiceField(choices=Severity.choices, required=False)
    episode = serializers.MultipleChoiceField(
        choices=EpisodeState.choices, required=False, help_text="Withdrawn ones come only when asked for."
    )
    alert_type = serializers.ListField(child=serializers.CharField(max_length=64), required=False)
    user_id = serializers.CharField(required=False, max_length=64)
    rule_id = serializers.CharField(required=False, max_length=64)
    quiet = serializers.BooleanField(required=False, allow_null=True, default=None)
    search = serializers.CharField(required=False, max_length=64)
    since = AwareDateTimeField(required=False, help_text="Opened at this time or after it.")
    until = AwareDateTimeField(required=False, help_text="Opened before this time.")
    units = UnitsField()
    time_zone = ZoneField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`class` is no name in Python."""
        named = serializers.MultipleChoiceField(choices=AlertClass.choices, required=False)
        return super().get_fields() | {"class": named}


class Note(serializers.Serializer[None]):
    """Why."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=NOTE_LENGTH, default="")


class Comment(serializers.Serializer[None]):
    """What to say."""

    note = serializers.CharField(max_length=NOTE_LENGTH)


class Snooze(Note):
    """Until when: a time, or minutes from now."""

    until = AwareDateTimeField(required=False)
    minutes = serializers.IntegerField(required=False, min_value=1, max_value=24 * 60)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("until" in attrs) == ("minutes" in attrs):
            raise serializers.ValidationError({"until": ["Give either until or minutes."]})
        return attrs


class Close(Note):
    """For which reason."""

    reason = serializers.ChoiceField(choices=CloseReason.choices)


class RuleVersionSerializer(serializers.ModelSerializer[RuleVersion]):
    """One wording of a rule, for the rows received in [active_from, active_until)."""

    made_by = serializers.CharField(source="made_by.username", default=None, allow_null=True, read_only=True)

    class Meta:
        model = RuleVersion
        fields = ["number", "source", "active_from", "active_until", "made_by", "made_at"]


class RuleSerializer(serializers.ModelSerializer[Rule]):
    """A rule with its newest version."""

    version = serializers.SerializerMethodField()

    class Meta:
        model = Rule
        fields = ["rule_id", "enabled", "version"]

    @extend_schema_field(RuleVersionSerializer(allow_null=True))
    def get_version(self, rule: Rule) -> Any:
        newest: list[RuleVersion] = getattr(rule, "newest")  # noqa: B009  # rules_listed() gives it
        return RuleVersionSerializer(newest[0]).data if newest else None


class RuleDetailSerializer(serializers.ModelSerializer[Rule]):
    """A rule with all its versions, the newest last."""

    versions = RuleVersionSerializer(many=True, read_only=True)

    class Meta:
        model = Rule
        fields = ["rule_id", "enabled", "versions"]


class RuleText(Note):
    """A rule as YAML."""

    source = serializers.CharField(  # type: ignore[assignment]  # YAML
        max_length=64 * 1024, trim_whitespace=False
    )


class SummarySerializer(serializers.ModelSerializer[Summary]):
    """A person's hour or day, UTC: count, min, avg and max of each metric, alerts by severity."""

    user_id = serializers.CharField(source="user.username")
    metrics = serializers.SerializerMethodField()

    class Meta:
        model = Summary
        fields = ["user_id", "period", "start", "readings", "metrics", "alerts", "made_at"]

    @extend_schema_field(serializers.DictField(child=serializers.DictField(child=serializers.FloatField())))
    def get_metrics(self, summary: Summary) -> dict[str, Any]:
        return shown_aggregates(summary.metrics, self.context.get("units", CANONICAL))


class SummaryQuery(serializers.Serializer[None]):
    """Which summaries."""

    user_id = serializers.CharField(required=False, max_length=64, help_text="A wearer; default: the caller.")
    period = serializers.ChoiceField(choices=Summary.Period.choices, default=Summary.Period.HOUR)
    since = AwareDateTimeField(required=False, help_text="Beginning at this time or after it.")
    until = AwareDateTimeField(required=False, help_text="Beginning before this time.")
    units = UnitsField()
