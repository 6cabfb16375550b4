"""The newest value of each metric of some people, each with its own time.

The readings have one index, (user_id, recorded_at, event_id): every look-up walks one person's rows backwards from the
newest and stops at the first that has the metric. How far it walks is bounded: a metric may never have been measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from devices.doubts import doubt_of
from devices.metrics import METRICS


@dataclass(frozen=True, slots=True)
class Value:
    """A value and when it was recorded. `flags` are those of its reading."""

    metric: str
    value: float | str
    recorded_at: datetime
    flags: int

    @property
    def label(self) -> str:
        return METRICS[self.metric].label

    @property
    def unit(self) -> str:
        return METRICS[self.metric].shown

    @property
    def text(self) -> str:
        """As pages show it: with the metric's decimals."""
        return self.value if isinstance(self.value, str) else f"{self.value:.{METRICS[self.metric].decimals}f}"

    @property
    def doubt(self) -> str:
        """Why it is in doubt, in a word or three; empty where it is not."""
        return doubt_of(self.metric, self.flags)


def latest_values(*, user_ids: Sequence[int], metrics: Iterable[str], rows: int) -> dict[int, dict[str, Value]]:
    """By person and metric the newest value among their newest `rows` readings; one query."""
    names = list(metrics)
    looks = " ".join(_look(name) for name in names)
    columns = ", ".join(f"{name}_.value, {name}_.recorded_at, {name}_.flags" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT w.user_id, {columns} FROM unnest(%(users)s::bigint[]) AS w (user_id) {looks}",
            {"users": list(user_ids), "rows": rows},
        )
        found = cursor.fetchall()
    return {row[0]: _values(names, row) for row in found}


def _look(name: str) -> str:
    return (
        f"LEFT JOIN LATERAL (SELECT n.{name} AS value, n.recorded_at, n.flags FROM"
        f" (SELECT {name}, recorded_at, flags FROM devices_reading r WHERE r.user_id = w.user_id"
        " ORDER BY recorded_at DESC, event_id DESC LIMIT %(rows)s) n"
        f" WHERE n.{name} IS NOT NULL LIMIT 1) {name}_ ON true"
    )


def _values(names: Sequence[str], row: tuple[Any, ...]) -> dict[str, Value]:
    found = {}
    for place, name in enumerate(names):
        value, recorded_at, flags = row[1 + 3 * place : 4 + 3 * place]
        if value is not None:
            found[name] = Value(name, value, recorded_at, flags)
    return found


def newest_times(*, user_ids: Sequence[int], count: int = 9) -> dict[int, list[datetime]]:
    """When each person's newest readings were recorded, newest first; people without one have none. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT u, ARRAY(SELECT recorded_at FROM devices_reading r WHERE r.user_id = u"
            " ORDER BY recorded_at DESC, event_id DESC LIMIT %s) FROM unnest(%s::bigint[]) AS u",
            [count, list(user_ids)],
        )
        return dict(cursor.fetchall())
