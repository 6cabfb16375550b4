"""The rows that rules see beside plain readings, said slowly: windows, and readings with what is derived of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import stdev
from typing import Any
from zoneinfo import ZoneInfo

from alerts.engine import Window
from alerts.engine.rows import event_id
from devices.metrics import METRICS
from tests.alerts.engine.twin import Reading, exact

EPOCH, SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)
NO_ID = event_id(0, 0)  # of a window
Usual = tuple[datetime, str, int, float | None, float | None]  # valid from, zone, local hour, median, MAD


def windows(readings: list[Reading], window: Window, metrics: Sequence[str]) -> list[Reading]:
    """The windows that are over, at their ends, and how far time has come; all of one person."""
    as_of = max(row.at for row in readings)
    last = {(row.at - EPOCH) // window.every for row in readings}
    starts = {EPOCH + (number - back) * window.every for number in last for back in range(window.steps)}
    held = {start: [row for row in readings if start <= row.at < start + window.size] for start in starts}
    rows = [
        Reading(s + window.size, NO_ID, aggregates(r, metrics)) for s, r in held.items() if s + window.size <= as_of
    ]
    return [*rows, Reading(as_of, "~", dict.fromkeys(aggregates(readings, metrics)))]


def aggregates(rows: list[Reading], metrics: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"count": len(rows)}
    for name in metrics:
        values = [row.values[name] for row in rows if row.values.get(name) is not None]
        mean = float(sum(map(exact, values)) / len(values)) if values else None
        made |= {f"count_{name}": len(values), f"avg_{name}": mean}
        made |= {f"min_{name}": min(values, default=None), f"max_{name}": max(values, default=None)}
        made[f"stddev_{name}"] = stdev(map(exact, values)) if len(values) > 1 else None
    return made


def derived(readings: list[Reading], name: str, usual: Sequence[Usual]) -> list[Reading]:
    """One person's readings with `name`_z and `name`_rate; `usual`: valid_from, zone, local hour, median, MAD."""
    found = {f"{name}_z": z, f"{name}_rate": rate}
    return [
        replace(row, values=row.values | {key: column(row, name, readings, usual) for key, column in found.items()})
        for row in readings
    ]


def z(row: Reading, name: str, _: list[Reading], usual: Sequence[Usual]) -> float | None:
    held = [each for each in usual if each[0] <= row.at]
    newest = [each for each in held if each[0] == max(one[0] for one in held)]
    hour = [each for each in newest if row.at.astimezone(ZoneInfo(each[1])).hour == each[2]]
    if row.values.get(name) is None or not hour or hour[0][3] is None:
        return None
    return float(0.6745 * (row.values[name] - hour[0][3]) / max(hour[0][4], METRICS[name].mad_floor))


def rate(row: Reading, name: str, readings: list[Reading], _: Sequence[Usual]) -> float | None:
    near = [
        each for each in readings if SECOND <= row.at - each.at <= 600 * SECOND and each.values.get(name) is not None
    ]
    if row.values.get(name) is None or not near:
        return None
    before = max(near, key=lambda each: (each.at, each.id))
    return float((row.values[name] - before.values[name]) / ((row.at - before.at) / (60 * SECOND)))
