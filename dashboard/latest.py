"""The newest value of each metric of some people, each with its own time.

The readings have one index, (user_id, recorded_at, event_id): every look-up walks one person's rows backwards from the
newest and stops at the first that has the metric. How far it walks is bounded: a metric may never have been measured.
Beyond that the windows of ten minutes know when one was, and so where to look.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from devices.doubts import doubt_of
from devices.metrics import METRICS
from devices.reader import decimals_shown, text_shown, unit_shown


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
        return unit_shown(self.metric)

    @property
    def path(self) -> str:
        """Where an event of the stream holds it: `vitals.heart_rate`."""
        return f"{METRICS[self.metric].group}.{METRICS[self.metric].field}"

    @property
    def decimals(self) -> int:
        return decimals_shown(self.metric)

    @property
    def text(self) -> str:
        """As pages show it: in the reader's unit, with the metric's decimals."""
        return self.value if isinstance(self.value, str) else text_shown(self.metric, self.value)

    @property
    def doubt(self) -> str:
        """Why it is in doubt, in a word or three; empty where it is not."""
        return doubt_of(self.metric, self.flags)


def latest_values(*, user_ids: Sequence[int], metrics: Iterable[str], rows: int) -> dict[int, dict[str, Value]]:
    """By person and metric the newest value among their newest `rows` readings; one query, none for no metrics."""
    names = list(metrics)
    if not names:
        return {}
    looks = " ".join(_look(name) for name in names)
    columns = ", ".join(f"{name}_.value, {name}_.recorded_at, {name}_.flags" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT w.user_id, {columns} FROM unnest(%(users)s::bigint[]) AS w (user_id) {looks}",
            {"users": list(user_ids), "rows": rows},
        )
        found = cursor.fetchall()
    return {row[0]: _values(names, row) for row in found}


OPEN: Final = timedelta(minutes=30)  # so much no complete window may hold yet
_OLDER: Final = """
SELECT w.user_id, '{name}', r.value, r.recorded_at, r.flags
  FROM unnest({users}::bigint[]) AS w (user_id)
 CROSS JOIN LATERAL (
    SELECT greatest(max(ended_at), %(open_since)s) AS ended_at FROM devices_metricwindow
     WHERE user_id = w.user_id AND size_s = 600 AND every_s = 600) complete
  LEFT JOIN LATERAL (
    SELECT ended_at FROM devices_metricwindow
     WHERE user_id = w.user_id AND size_s = 600 AND every_s = 600 AND ended_at > %(since)s AND count_{name} > 0
     ORDER BY ended_at DESC LIMIT 1) last ON true
 CROSS JOIN LATERAL (
    SELECT value, recorded_at, flags FROM (
        (SELECT {name} AS value, recorded_at, flags FROM devices_reading
          WHERE user_id = w.user_id AND recorded_at >= complete.ended_at AND {name} IS NOT NULL
          ORDER BY recorded_at DESC, event_id DESC OFFSET 0 LIMIT 1)
        UNION ALL
        (SELECT {name}, recorded_at, flags FROM devices_reading
          WHERE user_id = w.user_id AND recorded_at < last.ended_at
            AND recorded_at >= last.ended_at - interval '10 minutes' AND {name} IS NOT NULL
          ORDER BY recorded_at DESC, event_id DESC OFFSET 0 LIMIT 1)) either
     ORDER BY recorded_at DESC LIMIT 1) r
"""


def older_values(*, missing: Mapping[str, Sequence[int]], since: datetime, at: datetime) -> dict[int, dict[str, Value]]:
    """By person and numeric metric the newest value recorded since then, of those in whom `missing` misses it.

    One query; none where nothing is missing.
    """
    asked = {name: list(pks) for name, pks in missing.items() if pks}
    if not asked:
        return {}
    parts = [f"({_OLDER.format(name=name, users=f'%({name})s')})" for name in asked]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), asked | {"since": since, "open_since": at - OPEN})
        rows = cursor.fetchall()
    found: dict[int, dict[str, Value]] = {}
    for user_id, metric, value, recorded_at, flags in rows:
        found.setdefault(user_id, {})[metric] = Value(metric, value, recorded_at, flags)
    return found


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
