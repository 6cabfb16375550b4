"""The sentence of an alert in the units and by the clock of whoever reads it; the stored one stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from alerts.absences import silence_said
from alerts.engine import Rule
from alerts.engine.source import COLUMNS, metrics_behind
from alerts.mishaps import mishaps_said
from alerts.models import Alert, RuleVersion
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.sentence import sentence
from devices.metrics import METRICS, Units


@dataclass(frozen=True, slots=True)
class _Measure:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Told:
    """What a sentence says of an episode, as its alert keeps it."""

    event_count: int
    started_at: datetime
    measures: Mapping[str, _Measure]


def description_in(alert: Alert, units: Units, zone: tzinfo = UTC) -> str:
    """`alert.description`, or the same sentence in `units` and by the clock of `zone`, where that is another one.

    One that nothing is kept of to say it again stays, and says that its times are UTC.
    """
    metrics = metrics_behind(name for name in alert.measures if name in COLUMNS)
    is_utc = alert.started_at.astimezone(zone).utcoffset() == timedelta()
    if is_utc and all(units.of(METRICS[name].unit).is_canonical for name in metrics):
        return alert.description
    if said := silence_said(alert, zone) or mishaps_said(alert, zone):
        return said
    rule = _rule(alert.rule_id, alert.rule_version)
    if rule is None or not alert.measures:
        return alert.description if is_utc else f"{alert.description} (Times of UTC.)"
    measures = {name: _Measure(each["min"], each["max"]) for name, each in alert.measures.items()}
    return sentence(rule, _Told(alert.event_count, alert.started_at, measures), units, zone)


@lru_cache(maxsize=1024)  # versions are never rewritten
def _rule(rule_id: int, number: int) -> Rule | None:
    version = RuleVersion.objects.filter(rule_id=rule_id, number=number).select_related("rule").first()
    try:
        rule = engine_rule(version) if version else None
    except UnreadableRuleError:
        return None
    return rule if isinstance(rule, Rule) else None
