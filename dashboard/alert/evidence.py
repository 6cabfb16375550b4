"""The readings that an alert keeps, as a table: their values, and what its rule asked of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alerts.engine import Rule as EngineRule
from alerts.explain import Judged, Part, explain, unexplained
from alerts.models import Alert
from dashboard.templatetags.words import column_label, column_value
from devices.reader import units_now

SHOWN_AT_ENDS: Final = 5

Place = str | tuple[int, Part]  # a column by its name, or a part of the condition and its number


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the evidence: a metric, or (`is_part`) what the rule asked of the metrics before it."""

    label: str
    place: Place

    @property
    def is_part(self) -> bool:
        return not isinstance(self.place, str)


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell: a value and why it is `doubt`ed, or what a part of the condition said of the reading; `kind` is its
    class."""

    text: str
    kind: str
    is_true: bool = False
    doubt: str = ""


_VERDICTS: Final = {
    True: Shown("true", "verdict", is_true=True),
    False: Shown("false", "verdict"),
    None: Shown("no value", "verdict"),
}


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A reading: when, its values and verdicts, and which of the run it was."""

    recorded_at: datetime
    cells: list[Shown]
    run: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The matching readings an alert keeps: the first (behind the one `before` them), those that are folded, the last;
    `elsewhere` were not kept. `joined_by` says whether all parts of the condition or one of them made it true;
    `suspect` counts the readings in doubt, `reasons` says why, of those kept."""

    columns: list[Column]
    first: list[EvidenceRow]
    folded: list[EvidenceRow]
    last: list[EvidenceRow]
    elsewhere: int
    suspect: int
    reasons: str
    joined_by: str


def evidence_of(alert: Alert, rule: EngineRule | None) -> Evidence:
    """What `alert.evidence` holds, as a table; all of it where there are at most 10 rows."""
    told = explain(alert, rule) if rule else unexplained(alert)
    places = _places(alert.evidence.get("columns", []), told.parts)
    needed = rule.sustained.count if rule else 0
    table = [EvidenceRow(row.recorded_at, _cells(row, places, alert), _run(row, needed, alert)) for row in told.rows]
    first, folded, last = table, table[:0], table[:0]
    if len(table) > 2 * SHOWN_AT_ENDS:
        first, folded, last = table[:SHOWN_AT_ENDS], table[SHOWN_AT_ENDS:-SHOWN_AT_ENDS], table[-SHOWN_AT_ENDS:]
    if told.before:
        first = [EvidenceRow(told.before.recorded_at, _cells(told.before, places, alert), "no run"), *first]
    return Evidence(
        columns=[Column(_heading(place), place) for place in places],
        first=first,
        folded=folded,
        last=last,
        elsewhere=alert.event_count - len(table),
        suspect=alert.evidence.get("suspect", 0),
        reasons=_reasons(told.rows, alert),
        joined_by=told.joined_by if len(told.parts) > 1 else "",
    )


def _heading(place: Place) -> str:
    """The name of a column, or what the rule asked, in the reader's units."""
    return column_label(place) if isinstance(place, str) else place[1].asked_in(units_now())


def _reasons(rows: Sequence[Judged], alert: Alert) -> str:
    """`jump 1, out of bounds 2`: why values that the alert measures are in doubt."""
    counts = Counter(word for row in rows for name, word in row.doubts.items() if _measured(name, alert))
    return ", ".join(f"{word} {count}" for word, count in sorted(counts.items()))


def _places(names: list[str], parts: Sequence[Part]) -> list[Place]:
    """The columns in order, each part of the condition behind the last column that it reads."""
    places: list[Place] = []
    for name in names:
        places.append(name)
        behind = names[: names.index(name) + 1]
        for number, part in enumerate(parts):
            if name in part.columns and all(each in behind for each in part.columns):
                places.append((number, part))
    return places


def _cells(row: Judged, places: Sequence[Place], alert: Alert) -> list[Shown]:
    cells = []
    for place in places:
        if isinstance(place, str):
            kind = "number fires" if _measured(place, alert) else "number"
            cells.append(Shown(_value(place, row.values.get(place)), kind, doubt=row.doubts.get(place, "")))
        else:
            cells.append(_VERDICTS[row.verdicts[place[0]]])
    return cells


def _measured(name: str, alert: Alert) -> bool:
    return name in alert.measures


def _value(name: str, value: float | str | None) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else column_value(value, name)


def _run(row: Judged, needed: int, alert: Alert) -> str:
    opened = ", opened" if row.recorded_at == alert.opened_at else ""
    return f"{row.number} of {needed}{opened}" if needed > 1 and row.number <= needed else f"{row.number}{opened}"
