"""What its neighbours make of a value: a jump is faster than a body, a stuck one does not change. Arrays in and out.

Both are judged along the values that one person sent of one metric, each newer than the one before it. All arrays of
`Values` are of one length, those of `Past` hold one place a person; times are microseconds since 1970 UTC.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from devices.metrics import Metric

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
NEVER: Final = -(1 << 62)  # so long ago that nothing follows from it
JUMP_WITHIN: Final = 10 * MINUTE  # of an older value nothing follows, as with `<metric>_rate`
STUCK_FOR: Final = 30 * MINUTE  # and STUCK_READINGS: those of the rule SENSOR_STUCK
STUCK_READINGS: Final = 30
STUCK_WITHIN: Final = 2 * MINUTE  # values further apart do not say that nothing changed between them


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """`who` are places of people, equal ones side by side; of each the times rise. There is at least one value."""

    who: Ints
    at: Ints
    value: Floats

    @property
    def begins(self) -> Bools:
        """Where the values of a person begin."""
        return np.concatenate([[True], self.who[1:] != self.who[:-1]])

    @property
    def ends(self) -> Bools:
        """Where the values of a person end."""
        return np.concatenate([self.who[1:] != self.who[:-1], [True]])


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """How the values of each person ended: the last one, the last one that was no jump, and the run of equal ones.

    A person without any has NEVER as times.
    """

    last_at: Ints
    last: Floats
    sound_at: Ints
    sound: Floats
    since: Ints
    count: Ints

    @classmethod
    def unknown(cls, people: int) -> "Past":
        never, nothing = np.full(people, NEVER), np.full(people, np.nan)
        return cls(never, nothing, never.copy(), nothing.copy(), never.copy(), np.zeros(people, np.int64))

    def take(self, places: Ints) -> "Past":
        return Past(*(column[places] for column in self.columns))

    def put(self, places: Ints, other: "Past") -> None:
        for column, values in zip(self.columns, other.columns, strict=True):
            column[places] = values

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        return self.last_at, self.last, self.sound_at, self.sound, self.since, self.count


def judge(values: Values, past: Past, metric: Metric) -> tuple[Bools, Bools, Past]:
    """Which values are jumps, which are stuck, and the past after them; `metric` has a `fastest`."""
    before_at, before = _before(values, past)
    jumps = _jumps(values, past, before_at, before, metric)
    if metric.stuck_flag is None:
        return jumps, np.zeros_like(jumps), _after(values, past, jumps, values.at, np.ones_like(values.at))
    since, count = _runs(values, past, before_at, before)
    stuck = (count >= STUCK_READINGS) & (values.at - since >= STUCK_FOR)
    return jumps, stuck, _after(values, past, jumps, since, count)


def _before(values: Values, past: Past) -> tuple[Ints, Floats]:
    """Time and value of the value before each."""
    begins = np.flatnonzero(values.begins)
    first = values.who[begins]
    at, value = np.empty_like(values.at), np.empty_like(values.value)
    at[1:], value[1:] = values.at[:-1], values.value[:-1]
    at[begins], value[begins] = past.last_at[first], past.last[first]
    return at, value


def _jumps(values: Values, past: Past, before_at: Ints, before: Floats, metric: Metric) -> Bools:
    """What is too far from the value before it; after a jump, only what is too far from the last sound value too.

    So a spike is marked, and not the return from it; of a step that lasts the first value alone is.
    """
    is_far: Bools = _is_far(values.at - before_at, values.value - before, metric)
    jumps = is_far.copy()
    begins = values.begins
    sound_at, sound, previous = NEVER, np.nan, -2
    for place in np.flatnonzero(is_far).tolist():  # few, but for a sensor that is broken altogether
        person = values.who[place]
        if begins[place]:
            sound_at, sound = past.sound_at[person], past.sound[person]
            follows_jump = past.last_at[person] != past.sound_at[person]
        elif place - 1 == previous:
            follows_jump = bool(jumps[previous])
            if not follows_jump:
                sound_at, sound = values.at[previous], values.value[previous]
        else:
            sound_at, sound, follows_jump = values.at[place - 1], values.value[place - 1], False
        if follows_jump:
            jumps[place] = _is_far(values.at[place] - sound_at, values.value[place] - sound, metric)
        previous = place
    return jumps


def _is_far(apart: Any, difference: Any, metric: Metric) -> Any:
    """Of numbers or of arrays of them; microseconds, and the metric's unit."""
    reach = metric.noise + (metric.fastest or 0.0) / MINUTE * apart
    return (np.abs(difference) > reach) & (apart <= JUMP_WITHIN)


def _runs(values: Values, past: Past, before_at: Ints, before: Floats) -> tuple[Ints, Ints]:
    """Since when each value has been the same, and in how many readings."""
    goes_on = (values.value == before) & (values.at - before_at <= STUCK_WITHIN)
    places = np.arange(len(values.at))
    first = np.maximum.accumulate(np.where(values.begins | ~goes_on, places, 0))
    goes_on_from_past = goes_on & values.begins
    since = np.where(goes_on_from_past, past.since[values.who], values.at)
    count = np.where(goes_on_from_past, past.count[values.who], 0)
    return since[first], count[first] + (places - first + 1)


def _after(values: Values, past: Past, jumps: Bools, since: Ints, count: Ints) -> Past:
    after = Past(*(column.copy() for column in past.columns))
    ends = np.flatnonzero(values.ends)
    people = values.who[ends]
    after.last_at[people], after.last[people] = values.at[ends], values.value[ends]
    after.since[people], after.count[people] = since[ends], count[ends]
    sound = np.flatnonzero(~jumps) if jumps.any() else ends  # of equal places the last is what stays
    after.sound_at[values.who[sound]], after.sound[values.who[sound]] = values.at[sound], values.value[sound]
    return after
