"""What is stored of people's last values: what `quality` needs to go on where another consumer stopped."""

from typing import Any, Final

import numpy as np
from django.db import connection

from devices.metrics import METRICS, NEVER_STILL, PACED, Flag
from devices.plausible import JUMP_WITHIN, MINUTE, NEVER, STUCK_FOR, STUCK_READINGS, STUCK_WITHIN, Ints, Past

_JUMP_WITHIN: Final = f"interval '{JUMP_WITHIN // MINUTE} min'"
_STUCK_WITHIN: Final = f"interval '{STUCK_WITHIN // MINUTE} min'"
# A run that reaches further back than this is stuck, and flagged.
_RUN_WITHIN: Final = f"interval '{max(STUCK_FOR, STUCK_READINGS * STUCK_WITHIN) // MINUTE} min'"
_ROWS: Final = (
    f"FROM devices_reading r WHERE r.user_id = p.user_id AND r.flags & {int(Flag.LATE | Flag.OUT_OF_ORDER)} = 0"
)


def _micros(time: str) -> str:
    return f"(extract(epoch FROM {time}) * 1000000)::bigint"


def _last(name: str) -> str:
    """The last value, and, where that is a jump, the last that is none."""
    jump = int(METRICS[name].jump_flag or 0)
    newest = f"AND r.{name} IS NOT NULL ORDER BY r.recorded_at DESC LIMIT 1"
    near = f"AND r.recorded_at BETWEEN w.at - {_JUMP_WITHIN} AND w.at"
    return f"""
  LEFT JOIN LATERAL (SELECT r.recorded_at AS at, r.{name} AS value, r.flags {_ROWS} {near} {newest}) {name} ON true
  LEFT JOIN LATERAL (SELECT r.recorded_at AS at, r.{name} AS value {_ROWS} {near}
                        AND r.flags & {jump} = 0 AND {name}.flags & {jump} <> 0 {newest}) {name}_sound ON true"""


def _run(name: str) -> str:
    """Since when the last value has been the same, and in how many readings; once it is stuck, no more matters."""
    stuck = int(METRICS[name].stuck_flag or 0)
    return f"""
  LEFT JOIN LATERAL (SELECT r.recorded_at AS at {_ROWS} AND r.recorded_at < {name}.at
                        AND r.recorded_at >= {name}.at - {_RUN_WITHIN} AND r.{name} <> {name}.value
                      ORDER BY r.recorded_at DESC LIMIT 1) {name}_changed ON {name}.flags & {stuck} = 0
  LEFT JOIN LATERAL (SELECT min(at) AS since, count(*) AS count FROM (
       SELECT at, coalesce(sum((next - at > {_STUCK_WITHIN})::int) OVER (ORDER BY at DESC), 0) AS breaks FROM (
           SELECT r.recorded_at AS at, lag(r.recorded_at) OVER (ORDER BY r.recorded_at DESC) AS next {_ROWS}
              AND r.recorded_at <= {name}.at AND r.{name} IS NOT NULL
              AND r.recorded_at > coalesce({name}_changed.at, {name}.at - {_RUN_WITHIN})) AS each) AS broken
       WHERE breaks = 0) {name}_run ON {name}.flags & {stuck} = 0"""


_COLUMNS: Final = ", ".join(
    f"{_micros(f'{name}.at')}, {name}.value, {name}.flags, {_micros(f'{name}_sound.at')}, {name}_sound.value, "
    + (f"{_micros(f'{name}_run.since')}, {name}_run.count" if name in NEVER_STILL else "NULL, NULL")
    for name in PACED
)
_WIDTH: Final = 7
_PASTS: Final = f"""
SELECT {_micros("w.at")}, {_COLUMNS} FROM unnest(%s::bigint[]) WITH ORDINALITY AS p (user_id, number)
  LEFT JOIN LATERAL (SELECT max(r.recorded_at) AS at FROM devices_reading r WHERE r.user_id = p.user_id) w ON true
{"".join(_last(name) + (_run(name) if name in NEVER_STILL else "") for name in PACED)}
 ORDER BY p.number
"""  # names and bits of the catalogue


def pasts_stored(people: list[int]) -> tuple[Ints, dict[str, Past]]:
    """The newest time of each of these people (NEVER without readings), and their past by metric; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_PASTS, [people])
        rows = cursor.fetchall()
    newest = np.array([NEVER if row[0] is None else row[0] for row in rows], np.int64)
    found = {name: Past.unknown(len(people)) for name in PACED}
    for number, row in enumerate(rows):
        for place, name in enumerate(PACED):
            _fill(found[name], number, name, row[1 + _WIDTH * place : 1 + _WIDTH * (place + 1)])
    return newest, found


def _fill(past: Past, number: int, name: str, row: tuple[Any, ...]) -> None:
    at, value, flags, sound_at, sound, since, count = row
    if at is None:
        return
    metric = METRICS[name]
    past.last_at[number], past.last[number] = at, value
    if not flags & int(metric.jump_flag or 0):
        past.sound_at[number], past.sound[number] = at, value
    elif sound_at is not None:
        past.sound_at[number], past.sound[number] = sound_at, sound
    if flags & int(metric.stuck_flag or 0):
        past.since[number], past.count[number] = at - STUCK_FOR, STUCK_READINGS
    elif since is not None:
        past.since[number], past.count[number] = since, count
