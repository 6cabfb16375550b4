"""The readings of simulated people over a stretch of time: the front door of the simulator.

A pure function of seed, person, time, rate and injections: any stretch can be made again, in any slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from devices.metrics import METRICS
from devices.simulator.anomalies import ANOMALIES, Anomaly, overwrite
from devices.simulator.body import body
from devices.simulator.grid import MINUTE_MS, Rate, times
from devices.simulator.identity import event_ids
from devices.simulator.noise import Bools, Floats, Ints
from devices.simulator.people import People
from devices.simulator.sensors import Columns, received, sense

# What simulated people report; a frame of readings has these columns after time, person, identity and injection.
REPORTED: Final = tuple(name for name in METRICS if name != "hrv_sdnn_ms")
COLUMNS: Final = ("at_ms", "user_id", "event_id", "injection", *REPORTED)
_TEXT: Final = {name: pl.Series(metric.choices) for name, metric in METRICS.items() if metric.is_text}


@dataclass(frozen=True, slots=True)
class Injection:
    """These people have that anomaly over [start_ms, end_ms); of overlapping ones the last named wins.

    Raises ValueError for a name that is no anomaly.
    """

    name: str
    user_ids: frozenset[str]
    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.name not in ANOMALIES:
            raise ValueError(f"no anomaly is called {self.name!r}; there are {', '.join(ANOMALIES)}")

    @property
    def anomaly(self) -> Anomaly:
        return ANOMALIES[self.name]


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Whose readings, how often, and of which time: [start_ms, end_ms)."""

    who: People
    rate: Rate
    start_ms: int
    end_ms: int

    def within(self, injection: Injection) -> "Stretch":
        """The part that the injection covers, of the people whom it names, at its own rate where it has one."""
        chosen = [number for number, user_id in enumerate(self.who.user_ids) if user_id in injection.user_ids]
        start_ms = max(self.start_ms, injection.start_ms)
        end_ms = max(start_ms, min(self.end_ms, injection.end_ms))
        hertz = injection.anomaly.hertz
        return Stretch(self.who.pick(chosen), Rate.of(hertz) if hertz else self.rate, start_ms, end_ms)


def readings(stretch: Stretch, injections: Sequence[Injection] = ()) -> pl.DataFrame:
    """Everyone's readings of the stretch, by time, then user id.

    `COLUMNS`: `injection` is the index of the injection that the reading belongs to, -1 for none; numbers are floats,
    what a reading does not hold is null.
    """
    frames = [_calm(stretch, injections)]
    for number, injection in enumerate(injections):
        part = stretch.within(injection)
        if part.who.user_ids and part.start_ms < part.end_ms and not injection.anomaly.silent:
            found = _injected(part, injection, injections[number + 1 :])
            frames.append(found.with_columns(pl.lit(number, pl.Int16).alias("injection")))
    return pl.concat(frames).sort("at_ms", "user_id")


def _calm(stretch: Stretch, injections: Sequence[Injection]) -> pl.DataFrame:
    who = stretch.who
    at, kept, on_minute = times(stretch.rate, stretch.start_ms, stretch.end_ms, who.phase_ms)
    t = at / 1000.0
    kept &= received(who, t)
    for injection in injections:
        kept &= ~_covered(who, at, injection)
    return _frame(who, at, kept, sense(who, t, on_minute, body(who, t)), "")


def _injected(part: Stretch, injection: Injection, later: Sequence[Injection]) -> pl.DataFrame:
    who, rate = part.who, part.rate
    at, kept, on_minute = times(rate, part.start_ms, part.end_ms, who.phase_ms)
    for other in later:
        kept &= ~_covered(who, at, other)
    t = at / 1000.0
    opens_minute = (at - injection.start_ms) % MINUTE_MS < MINUTE_MS * rate.minutes // rate.per_step
    columns = overwrite(injection.anomaly, who, t, opens_minute, sense(who, t, on_minute, body(who, t)))
    return _frame(who, at, kept, columns, injection.name)


def _covered(who: People, at: Ints, injection: Injection) -> Bools:
    has = np.array([[user_id in injection.user_ids] for user_id in who.user_ids], dtype=np.bool_).reshape(-1, 1)
    covered: Bools = has & (at >= injection.start_ms) & (at < injection.end_ms)
    return covered


def _frame(who: People, at: Ints, kept: Bools, columns: Columns, anomaly: str) -> pl.DataFrame:
    person = np.broadcast_to(np.arange(len(who.user_ids), dtype=np.uint32)[:, np.newaxis], at.shape)[kept]
    data = {
        "at_ms": pl.Series(at[kept]),
        "user_id": pl.Series(who.user_ids, dtype=pl.String).gather(person),
        "event_id": event_ids(np.broadcast_to(who.key, at.shape)[kept], at[kept], anomaly),
        "injection": pl.Series(np.full(len(person), -1, dtype=np.int16)),
    }
    return pl.DataFrame(data | {name: _column(name, columns[name], kept) for name in REPORTED})


def _column(name: str, values: Floats, kept: Bools) -> pl.Series:
    chosen = np.broadcast_to(values, kept.shape)[kept]
    if name not in _TEXT:
        return pl.Series(chosen, nan_to_null=True)
    codes = pl.Series(chosen.astype(np.int32))
    return _TEXT[name].gather(codes.set(codes < 0, None))
