"""Backtest over stored history: what rules would have found, beside the alerts and the rules that there are."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, compress
from typing import Any, Final

import polars as pl
from django.db.models import QuerySet

from alerts.backtest import Finding, Replay
from alerts.engine import AnyRule, Rule, RuleKey
from alerts.engine.derived import NO_BASELINES
from alerts.engine.ruleset import metrics_of
from alerts.models import Alert, RuleVersion
from alerts.rule_versions import engine_rule
from alerts.stored_history import Scope, Seen, one_view, read_history
from devices.baselines import baselines_holding
from devices.metrics import BASELINED

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
_AFTER_ALL: Final = datetime.max.replace(tzinfo=UTC)

Place = tuple[str, datetime, datetime]  # a person, and the first and the last matching reading
Watch = Callable[[int, datetime], None]  # a person's key, and up to when their readings are done; people by key

# What who waits for an answer may ask for.
MOST_READINGS: Final = 2_000_000  # some seconds of work
LONGEST: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Difference:
    """Episodes of a changed rule beside those of its present version: which overlap one of the other's."""

    only_new: tuple[Finding, ...]
    only_old: tuple[Finding, ...]
    both: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """A rule's episodes in numbers. Those of `overlapping` share a moment with an alert of the same rule and person;
    `alerts` stand in that time, `alerts_lost` of them overlap no episode. `present_version` is None where the database
    does not know the rule, `difference` where it says what its present version says."""

    rule_id: str
    episodes: int
    per_person_day: float | None
    overlapping: tuple[Finding, ...]
    alerts: int
    alerts_lost: int
    present_version: int | None
    difference: Difference | None

    def as_json(self) -> dict[str, Any]:
        difference = self.difference
        return {
            "rule_id": self.rule_id,
            "episodes": self.episodes,
            "per_person_day": self.per_person_day,
            "overlapping": len(self.overlapping),
            "alerts": self.alerts,
            "alerts_lost": self.alerts_lost,
            "present_version": self.present_version,
            "difference": difference
            and {
                "only_new": len(difference.only_new),
                "only_old": len(difference.only_old),
                "both": len(difference.both),
            },
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """The episodes, sorted by rule, person and start, how much history they are of, and a summary a rule."""

    findings: list[Finding]
    seen: Seen
    summaries: list[RuleSummary]


def backtest_stored(*, rules: Sequence[Rule], scope: Scope, watch: Watch | None = None) -> Outcome:
    """What `rules` find in the stored readings of `scope`, whenever they were received; nothing is written.

    A rule whose id is in the database under another wording is run beside that wording's present version. `watch` is
    told after each piece how far it is; what it raises ends the run. Raises TooMuchHistoryError, TookTooLongError.
    """
    with one_view():
        drafts = [replace(rule, version=0, active_from=None, active_until=None) for rule in rules]
        present = _present([rule.id for rule in rules])
        changed = [present[d.id] for d in drafts if d.id in present and not _same(present[d.id], d)]
        replay = Replay([*drafts, *changed], baselines=_baselines([*drafts, *changed], scope))
        take = replay.feed if watch is None else _watched(replay, watch)
        seen = read_history(scope, metrics_of([*drafts, *changed]), take)
        found: dict[RuleKey, list[Finding]] = defaultdict(list)
        for finding in replay.findings(scope.people):
            found[finding.rule].append(finding)
        alerts = _alerts([rule.id for rule in rules], scope)
    drafts.sort(key=lambda rule: rule.id)
    summaries = [_summary(rule, found, alerts[rule.id], seen, present.get(rule.id)) for rule in drafts]
    return Outcome([finding for rule in drafts for finding in found[rule.key]], seen, summaries)


def _baselines(rules: Sequence[Rule], scope: Scope) -> pl.DataFrame:
    """The stored sets that held in the time of the scope, of the metrics whose distance from usual the rules read."""
    read = {column for rule in rules for column in rule.columns}
    metrics = [name for name in BASELINED if f"{name}_z" in read]
    if not metrics:
        return NO_BASELINES
    since, until = scope.since or _BEFORE_ALL, scope.until or _AFTER_ALL
    return baselines_holding(user_ids=list(scope.people), since=since, until=until, metrics=metrics)


def _watched(replay: Replay, watch: Watch) -> Callable[[pl.DataFrame], None]:
    def take(readings: pl.DataFrame) -> None:
        replay.feed(readings)
        watch(readings["user_id"][-1], readings["recorded_at"][-1])

    return take


def present_rules(*, rule_id: str | None = None) -> list[AnyRule]:
    """The present wording of the enabled rules of the database, by id; of one rule, enabled or not."""
    chosen = _newest().filter(rule__enabled=True) if rule_id is None else _newest().filter(rule__rule_id=rule_id)
    return [engine_rule(version) for version in chosen]


def _present(ids: Sequence[str]) -> dict[str, Rule]:
    rules = map(engine_rule, _newest().filter(rule__rule_id__in=ids))
    return {r.id: replace(r, active_from=None, active_until=None) for r in rules if isinstance(r, Rule)}


def _newest() -> QuerySet[RuleVersion]:
    return RuleVersion.objects.order_by("rule__rule_id", "-number").distinct("rule__rule_id").select_related("rule")


def _same(present: Rule, draft: Rule) -> bool:
    return replace(present, version=0) == draft


def _alerts(ids: Sequence[str], scope: Scope) -> dict[str, list[Place]]:
    """From the first to the last matching reading of the alerts that stand, by rule."""
    found: dict[str, list[Place]] = defaultdict(list)
    alerts = Alert.objects.standing().filter(rule__rule_id__in=ids, user__in=list(scope.people))
    if scope.since is not None:
        alerts = alerts.filter(ended_at__gte=scope.since)
    if scope.until is not None:
        alerts = alerts.filter(started_at__lt=scope.until)
    for rule_id, user_id, start, end in alerts.values_list("rule__rule_id", "user_id", "started_at", "ended_at"):
        found[rule_id].append((scope.people[user_id], start, end))
    return found


def _summary(
    rule: Rule, found: Mapping[RuleKey, Sequence[Finding]], alerts: Sequence[Place], seen: Seen, present: Rule | None
) -> RuleSummary:
    findings = found.get(rule.key, ())
    places = list(map(_place, findings))
    is_changed = present is not None and not _same(present, rule)
    return RuleSummary(
        rule_id=rule.id,
        episodes=len(findings),
        per_person_day=len(findings) / seen.person_days if seen.person_hours else None,
        overlapping=_chosen(findings, _overlap(places, alerts)),
        alerts=len(alerts),
        alerts_lost=len(alerts) - sum(_overlap(alerts, places)),
        present_version=present.version if present else None,
        difference=_difference(findings, found.get(present.key, ())) if present and is_changed else None,
    )


def _difference(new: Sequence[Finding], old: Sequence[Finding]) -> Difference:
    of_new, of_old = list(map(_place, new)), list(map(_place, old))
    shared, kept = _overlap(of_new, of_old), _overlap(of_old, of_new)
    return Difference(
        only_new=_chosen(new, [not each for each in shared]),
        only_old=_chosen(old, [not each for each in kept]),
        both=_chosen(new, shared),
    )


def _chosen(findings: Sequence[Finding], which: Sequence[bool]) -> tuple[Finding, ...]:
    return tuple(compress(findings, which))


def _place(finding: Finding) -> Place:
    return finding.user_id, finding.episode.started_at, finding.episode.ended_at


def _overlap(places: Sequence[Place], others: Sequence[Place]) -> list[bool]:
    """Of each whether it shares a moment, ends included, with another one of the same person."""
    spans: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for person, start, end in sorted(others):
        spans[person].append((start, end))
    starts = {person: [start for start, _ in theirs] for person, theirs in spans.items()}
    ends = {person: list(accumulate((end for _, end in theirs), max)) for person, theirs in spans.items()}
    found = []
    for person, start, end in places:
        before = bisect_right(starts.get(person, ()), end)
        found.append(before > 0 and ends[person][before - 1] >= start)
    return found
