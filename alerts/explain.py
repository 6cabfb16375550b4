"""Why an alert fired: each part of the condition over each reading that it keeps, by the version that fired.

The readings are the alert's own, so that the answer outlives them in the table of readings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final, Literal

import polars as pl
from django.db.models import Q

from alerts.columns_read import read_column
from alerts.deriving import Deriving
from alerts.engine import AnyRule, Rule, RuleSet
from alerts.engine.derived import RATE_REACH
from alerts.engine.language import to_polars, to_text, tree
from alerts.engine.source import COLUMNS, metrics_behind
from alerts.models import Alert, RuleVersion
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.stored_rows import rows_within
from alerts.thresholds import Threshold, thresholds_of_tree
from devices.doubts import doubts_of
from devices.metrics import Units
from devices.models import Reading
from devices.times import rfc3339

_KEYS: Final = ("user_id", "recorded_at", "event_id")
_INSTANT: Final = timedelta(microseconds=1)

Cell = float | str | None
Doubts = Mapping[tuple[datetime, str], Mapping[str, str]]
Verdict = bool | None  # None: NULL, a metric that it needs was absent


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the condition, as text, and the columns that it reads; `asked` leaves out a column that stands alone:
    `> 100`."""

    text: str
    asked: str
    columns: tuple[str, ...]
    limit: Threshold | None = None

    def asked_in(self, units: Units) -> str:
        """`asked` with its limit in these units."""
        if self.limit is None:
            return self.asked
        return f"{self.limit.operator} {read_column(self.limit.column, units).limit(self.limit.value)}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A row, and what each part says of it. `number` counts the matching rows from 1; 0 is the one before them.

    `doubts` say by metric why a value is in doubt; of readings that are no longer stored nobody knows.
    """

    number: int
    recorded_at: datetime
    event_id: str
    values: Mapping[str, Cell]
    verdicts: tuple[Verdict, ...]
    doubts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts of the condition, all (`AND`) or one (`OR`) of which must be TRUE, and the rows judged by them.

    `before` is the last row before the first matching one, where it is still stored.
    """

    joined_by: Literal["AND", "OR"]
    parts: tuple[Part, ...]
    before: Judged | None
    rows: tuple[Judged, ...]

    def as_json(self) -> dict[str, Any]:
        rows = (self.before, *self.rows) if self.before else self.rows
        return {
            "joined_by": self.joined_by,
            "parts": [{"text": part.text, "columns": list(part.columns)} for part in self.parts],
            "readings": [
                {
                    "number": row.number,
                    "recorded_at": rfc3339(row.recorded_at),
                    "event_id": row.event_id,
                    "values": dict(row.values),
                    "verdicts": [_WORDS[verdict] for verdict in row.verdicts],
                    "doubts": dict(row.doubts),
                }
                for row in rows
            ],
        }


_WORDS: Mapping[Verdict, str] = {True: "TRUE", False: "FALSE", None: "NULL"}


def rule_of(alert: Alert) -> AnyRule | None:
    """The wording that fired; None where this release can no longer read it, or it is gone."""
    version = RuleVersion.objects.filter(rule_id=alert.rule_id, number=alert.rule_version).select_related("rule")
    try:
        return next((engine_rule(row) for row in version), None)
    except UnreadableRuleError:
        return None


def explain(alert: Alert, rule: Rule) -> Explanation:
    """The alert's kept rows under the parts of `rule`, the version that fired."""
    joined_by, trees = _split(rule.when.tree)
    numbered = kept_rows(alert)
    before = _before(alert, rule)
    values = [row["values"] for _, row in numbered] + ([before["values"]] if before else [])
    verdicts = _judge(trees, rule.when.columns, values)
    doubts = _doubts(alert, [row for _, row in numbered] + ([before] if before else []))
    rows = tuple(_judged(number, row, said, doubts) for (number, row), said in zip(numbered, verdicts, strict=False))
    first = _judged(0, before, verdicts[-1], doubts) if before else None
    return Explanation(joined_by, tuple(map(_part, trees)), first, rows)


def unexplained(alert: Alert) -> Explanation:
    """The alert's kept rows where nobody can read the condition any more."""
    numbered = kept_rows(alert)
    doubts = _doubts(alert, [row for _, row in numbered])
    return Explanation("AND", (), None, tuple(_judged(number, row, (), doubts) for number, row in numbered))


def kept_rows(alert: Alert) -> list[tuple[int, dict[str, Any]]]:
    """The matching rows that an alert keeps, each once, with its number among all that match."""
    first, last = alert.evidence.get("first", []), alert.evidence.get("last", [])
    numbered = dict(enumerate(first, 1))
    if opening := alert.evidence.get("opening"):
        numbered[opening["number"]] = opening
    numbered |= {alert.event_count - len(last) + place: row for place, row in enumerate(last, 1)}
    return sorted(numbered.items())


def _split(node: tree.Truth) -> tuple[Literal["AND", "OR"], tuple[tree.Truth, ...]]:
    match node:
        case tree.All(parts):
            return "AND", parts
        case tree.Any(parts):
            return "OR", parts
    return "AND", (node,)


def _part(node: tree.Truth) -> Part:
    text = to_text(node)
    columns = tuple(dict.fromkeys(_columns(node)))
    limits = thresholds_of_tree(node)
    is_plain = isinstance(node, tree.Compare) and len(limits) == 1
    return Part(text, limits[0].text if is_plain else text, columns, limits[0] if is_plain else None)


def _columns(node: object) -> list[str]:
    """The columns of a part of a tree, in order."""
    match node:
        case tree.Column(name) | tree.TextOneOf(name):
            return [name]
        case tree.All(parts) | tree.Any(parts):
            return [name for part in parts for name in _columns(part)]
        case tree.Compare(_, left, right) | tree.Arithmetic(_, left, right):
            return _columns(left) + _columns(right)
        case tree.Between(of, low, high):
            return _columns(of) + _columns(low) + _columns(high)
        case tree.OneOf(of) | tree.IsNull(of) | tree.Not(of) | tree.Negative(of) | tree.Absolute(of):
            return _columns(of)
    return []


def _judge(
    trees: Sequence[tree.Truth], columns: Sequence[str], values: Sequence[Mapping[str, Cell]]
) -> list[tuple[Verdict, ...]]:
    """What each part says of each row, by the very expressions that detection compiles."""
    schema = {name: pl.String if COLUMNS[name].is_text else pl.Float64 for name in columns}
    frame = pl.DataFrame({name: [row.get(name) for row in values] for name in columns}, schema=schema, strict=False)
    judged = frame.select(to_polars(part).alias(str(place)) for place, part in enumerate(trees))
    return judged.rows()


def _judged(number: int, row: Mapping[str, Any], verdicts: tuple[Verdict, ...], doubts: Doubts) -> Judged:
    at = datetime.fromisoformat(row["recorded_at"])
    return Judged(number, at, row["event_id"], row["values"], verdicts, doubts.get((at, row["event_id"]), {}))


def _doubts(alert: Alert, rows: Sequence[Mapping[str, Any]]) -> Doubts:
    """Why values of these readings are in doubt, by time and id; one query."""
    times = [datetime.fromisoformat(row["recorded_at"]) for row in rows]
    stored = Reading.objects.filter(user=alert.user, recorded_at__in=times)
    flags = stored.values_list("recorded_at", "event_id", "flags").order_by()
    return {(at, str(event_id)): doubts_of(said) for at, event_id, said in flags}


def _before(alert: Alert, rule: Rule) -> dict[str, Any] | None:
    """The last reading within `max_gap` before the first matching one that has any of the rule's metrics."""
    metrics = metrics_behind(rule.columns)
    if rule.over != "reading" or not metrics:
        return None
    readings = Reading.objects.filter(user=alert.user, recorded_at__lt=alert.started_at)
    near = readings.filter(recorded_at__gte=alert.started_at - rule.max_gap)
    some = reduce(or_, (Q(**{f"{name}__isnull": False}) for name in metrics))
    row = near.filter(some).order_by("-recorded_at", "-event_id").values(*_KEYS, *metrics).first()
    if row is None:
        return None
    values = row | _derived(row, rule)
    shown = {name: values[name] for name in rule.columns}
    return {"recorded_at": rfc3339(row["recorded_at"]), "event_id": str(row["event_id"]), "values": shown}


def _derived(row: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    """The derived columns of a stored reading, as detection makes them of what is stored."""
    rules = RuleSet([rule])
    if not rules.derived:
        return {}
    at = row["recorded_at"]
    rows = rows_within([row["user_id"]], [at - RATE_REACH], [at + _INSTANT])
    made = Deriving().whole(rules, rows).filter(pl.col("recorded_at") == at, pl.col("event_id") == str(row["event_id"]))
    return made.select(rules.derived).row(0, named=True)
