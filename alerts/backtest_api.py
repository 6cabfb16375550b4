"""The API of backtest: what a rule would have found in the readings of the people one may see."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.backtest import no_history
from alerts.backtest_stored import LONGEST, MOST_READINGS, Outcome, backtest_stored
from alerts.engine import AnyRule, Rule
from alerts.rule_files import RuleFile, parse_rule, problem_at
from alerts.rule_versions import UnreadableRuleError
from alerts.rules_api import no_rule
from alerts.serializers import Statistics
from alerts.stored_history import Scope, TookTooLongError, TooMuchHistoryError
from devices.api import wearer_looked_at
from devices.authentication import person
from devices.errors import ApiError
from devices.fields import AwareDateTimeField
from devices.models import User

if TYPE_CHECKING:
    from rest_framework.request import Request

DEFAULT_SPAN: Final = timedelta(hours=24)
LONGEST_SPAN: Final = timedelta(days=31)
MOST_EPISODES: Final = 1_000


class BacktestQuery(serializers.Serializer[None]):
    """Which rule, over which readings: those recorded in [since, until), at most 31 days and 2,000,000 readings."""

    source = serializers.CharField(  # type: ignore[assignment]  # YAML
        max_length=64 * 1024, trim_whitespace=False
    )
    user_id = serializers.CharField(required=False, max_length=64, help_text="Default: everyone you may see.")
    since = AwareDateTimeField(required=False, help_text="Default: 24 hours before `until`.")
    until = AwareDateTimeField(required=False, help_text="Default: now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        until = attrs.setdefault("until", timezone.now())
        try:
            since = attrs.setdefault("since", until - DEFAULT_SPAN)
        except OverflowError:
            raise serializers.ValidationError({"until": ["That is before time began."]}) from None
        if since >= until:
            raise serializers.ValidationError({"since": ["It must come before until."]})
        if until - since > LONGEST_SPAN:
            raise serializers.ValidationError({"since": [f"At most {LONGEST_SPAN.days} days before until."]})
        return attrs


class EpisodeSerializer(serializers.Serializer[None]):
    """From its first to its last matching reading."""

    rule_id = serializers.CharField()
    user_id = serializers.CharField()
    started_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    event_count = serializers.IntegerField()
    measures = serializers.DictField(child=Statistics())
    end = serializers.ChoiceField(choices=("cleared", "gap", "open"))


class FoundSerializer(EpisodeSerializer):
    """An episode that the rule finds; `overlaps_alert`: it shares a moment with an alert of this rule and person."""

    overlaps_alert = serializers.BooleanField()


class DifferenceSerializer(serializers.Serializer[None]):
    """Episodes beside those of the present version: `both` share a moment with one of the other's."""

    only_new = serializers.IntegerField()
    only_old = serializers.IntegerField()
    both = serializers.IntegerField()


class RuleSummarySerializer(serializers.Serializer[None]):
    """In numbers. A person-day is 24 hours of the clock in which a person has readings.

    `overlapping` episodes share a moment with an alert; `alerts` of this rule stand in this time, `alerts_lost` of them
    overlap no episode. `difference` is null where the rule says what `present_version` says, or is new.
    """

    rule_id = serializers.CharField()
    episodes = serializers.IntegerField()
    per_person_day = serializers.FloatField(allow_null=True)
    overlapping = serializers.IntegerField()
    alerts = serializers.IntegerField()
    alerts_lost = serializers.IntegerField()
    present_version = serializers.IntegerField(allow_null=True)
    difference = DifferenceSerializer(allow_null=True)


class BacktestSerializer(serializers.Serializer[None]):
    """What was read, what was found, and how it compares; at most 1,000 episodes are listed, the summary counts all."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    readings = serializers.IntegerField()
    people = serializers.IntegerField()
    person_days = serializers.FloatField()
    summary = RuleSummarySerializer()
    episodes = FoundSerializer(many=True)
    lost = EpisodeSerializer(many=True, help_text="Episodes of the present version that the rule does not find.")


class BacktestView(APIView):
    """Try a rule on what is stored, before it is written."""

    throttle_scope = "backtest"

    @extend_schema(request=BacktestQuery, responses=BacktestSerializer, tags=["rules"])
    def post(self, request: "Request") -> Response:
        """Nothing is written, and nobody is told. A text that is no rule is answered with line and column."""
        given = BacktestQuery(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        parsed = parse_rule(wanted["source"])
        if parsed.rule is None:
            raise no_rule(parsed.problems)
        if not isinstance(parsed.rule, Rule):
            raise _refused(wanted["source"], no_history(parsed.rule), parsed.rule)
        people = _people(person(request), wanted.get("user_id"))
        scope = Scope(people, wanted["since"], wanted["until"], MOST_READINGS, LONGEST)
        try:
            outcome = backtest_stored(rules=[parsed.rule], scope=scope)
        except TooMuchHistoryError:
            reason = f"More than {MOST_READINGS:,} readings: take less time, or one wearer."
            raise ApiError(400, "too_much", reason, fields={"since": [reason]}) from None
        except TookTooLongError:
            reason = f"It took longer than {LONGEST.seconds} s: take less time, or one wearer."
            raise ApiError(400, "too_much", reason, fields={"since": [reason]}) from None
        except UnreadableRuleError as error:
            reason = f"The present version cannot be read by this release, to compare with: {error}."
            raise ApiError(400, "no_history", reason) from None
        return Response({"since": scope.since, "until": scope.until, **_answer(outcome)})


def _refused(source: str, why: str, rule: AnyRule) -> ApiError:
    """The answer to a rule over what is not stored."""
    place = problem_at(RuleFile(rule, source, "rule"), "over", why)
    said = {"line": place.line, "column": place.column, "message": place.message}
    return ApiError(400, "no_history", f"{why.capitalize()}.", fields={"source": [said]})


def _people(caller: User, user_id: str | None) -> dict[int, str]:
    if user_id is None:
        return dict(User.objects.visible_to(caller).values_list("pk", "username"))
    wearer = wearer_looked_at(user=caller, user_id=user_id)
    return {wearer.pk: wearer.username}


def _answer(outcome: Outcome) -> dict[str, Any]:
    (summary,) = outcome.summaries
    lost = summary.difference.only_old if summary.difference else ()
    overlapping = {id(finding) for finding in summary.overlapping}
    return {
        "readings": outcome.seen.readings,
        "people": outcome.seen.people,
        "person_days": outcome.seen.person_days,
        "summary": summary.as_json(),
        "episodes": [
            finding.as_json() | {"overlaps_alert": id(finding) in overlapping}
            for finding in outcome.findings[:MOST_EPISODES]
        ],
        "lost": [finding.as_json() for finding in lost[:MOST_EPISODES]],
    }
