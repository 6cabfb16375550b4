"""What a person does when: nights with their stages, bouts of movement, meals, cuff readings.

Times are seconds since the Unix epoch; the people live on UTC. A night is named by the day on which it ends; an hour
by its number since the epoch. All of it is a function of person and time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from devices.simulator.noise import Bools, Floats, Ints, between, uniform
from devices.simulator.people import People

DAY: Final = 86_400.0
HOUR: Final = 3_600.0


class Stage(IntEnum):
    """Sleep stages, by their place in the catalogue's choices; `NONE` is not in bed."""

    NONE = -1
    AWAKE = 0
    LIGHT = 1
    DEEP = 2
    REM = 3


class Kind(IntEnum):
    """Of a bout of movement."""

    REST = 0
    CHORES = 1
    WALK = 2
    WORKOUT = 3
    COOL_DOWN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Night:
    """A night in bed: `bed` and `wake` in seconds, of the shape of the times asked for."""

    bed: Floats
    wake: Floats

    @property
    def hours_asleep(self) -> Floats:
        """Of the time in bed, nine parts in ten are slept (Ohayon 2004 gives 85-95 % for healthy adults)."""
        return (self.wake - self.bed) * (0.9 / HOUR)


@dataclass(frozen=True, slots=True, eq=False)
class Bouts:
    """At most one bout an hour: when, of which kind, how hard (part of the heart rate reserve)."""

    start: Floats
    end: Floats
    kind: Ints
    effort: Floats


def night_of(who: People, t: Floats) -> Night:
    """The night around `t`: each time between two noons belongs to the one night between them."""
    return night(who, np.floor((t + DAY / 2) / DAY))


def night(who: People, number: Floats) -> Night:
    """The night that ends on that day: to bed about 22:50, up about 06:50, later for late chronotypes."""
    index = number.astype(np.int64)
    bed = number * DAY - 1.15 * HOUR + who.chronotype * HOUR + between(who.key, "day.bed", index, -1500, 1500)
    wake = number * DAY + 6.8 * HOUR + who.chronotype * 0.8 * HOUR + between(who.key, "day.wake", index, -1500, 1500)
    return Night(bed=bed, wake=wake)


def last_night(who: People, t: Floats) -> Night:
    """The latest night that is over at `t`."""
    number = np.floor((t + DAY / 2) / DAY)
    return night(who, np.where(t >= night(who, number).wake, number, number - 1))


def stages(who: People, t: Floats, around: Night) -> tuple[Ints, Floats]:
    """Stage codes at `t`, and how deep the sleep is, 0-1, without steps.

    Cycles of 84-98 min; deep sleep belongs to the first of them, REM grows towards morning (Carskadon, Dement 2011).
    """
    index = np.floor((t + DAY / 2) / DAY).astype(np.int64)
    latency = between(who.key, "sleep.latency", index, 400, 1100)
    length = between(who.key, "sleep.cycle", np.zeros_like(index), 84 * 60, 98 * 60)
    cycles = (t - around.bed - latency) / length
    cycle = np.floor(cycles)
    part = cycles - cycle
    early = np.clip(1.0 - 0.26 * cycle, 0.0, 1.0)
    depth = np.sin(np.pi * np.clip((part - 0.08) / 0.62, 0.0, 1.0)) ** 2 * np.maximum(early, 0.15)
    stage = np.full(t.shape, int(Stage.LIGHT), dtype=np.int64)
    stage[(part >= 0.18) & (part < 0.18 + 0.44 * early)] = Stage.DEEP
    stage[part >= 0.9 - 0.06 * np.clip(cycle, 0, 4)] = Stage.REM
    stage[(cycles < 0) | _stirring(who, t)] = Stage.AWAKE
    in_bed = (t >= around.bed) & (t < around.wake)
    return np.where(in_bed, stage, int(Stage.NONE)), np.where(in_bed & (cycles > 0), depth, 0.0)


def bouts(who: People, t: Floats) -> Iterator[Bouts]:
    """The bouts of the hour of `t` and of the two before it, newest first: what moved before is no longer felt."""
    if t.size == 0:
        return
    hour = np.floor(t / HOUR).astype(np.int64)
    first = int(hour.min()) - 2
    table = _bouts_of_hours(who, np.arange(first, int(hour.max()) + 1, dtype=np.int64)[np.newaxis, :])
    for back in range(3):
        at = hour - first - back
        yield Bouts(
            start=np.take_along_axis(table.start, at, axis=1),
            end=np.take_along_axis(table.end, at, axis=1),
            kind=np.take_along_axis(table.kind, at, axis=1),
            effort=np.take_along_axis(table.effort, at, axis=1),
        )


def meals(who: People, t: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Start of each meal of the day of `t` and of the day before, and the rise of glucose it gives (mg/dL)."""
    today = np.floor(t / DAY)
    for day in (today, today - 1):
        index = day.astype(np.int64)
        late = who.chronotype * HOUR
        for name, hour, low, high in (("lunch", 12.6, 20, 46), ("snack", 16.1, 8, 18), ("dinner", 19.2, 22, 48)):
            at = day * DAY + hour * HOUR + late + between(who.key, f"meal.{name}", index, -1800, 1800)
            yield at, between(who.key, f"meal.{name}.size", index, low, high)
        breakfast = night(who, day).wake + between(who.key, "meal.breakfast", index, 1500, 4000)
        yield breakfast, between(who.key, "meal.breakfast.size", index, 18, 42)


def cuff_now(who: People, minute: Ints) -> Bools:
    """Whether a cuff reading is due in that minute (of the person's own count): once in each two hours."""
    slot = minute // 120
    chosen = np.floor(between(who.key, "cuff.minute", slot, 0, 120)).astype(np.int64)
    due: Bools = minute - slot * 120 == chosen
    return due


def _stirring(who: People, t: Floats) -> Bools:
    """The short awakenings of a healthy night: a minute or three, in one of sixteen stretches of ten minutes."""
    slot = np.floor(t / 600.0)
    index = slot.astype(np.int64)
    since = t - slot * 600.0 - between(who.key, "sleep.stir.at", index, 0, 400)
    stirs = uniform(who.key, "sleep.stir", index) < 1 / 16
    awake: Bools = stirs & (since >= 0) & (since < between(who.key, "sleep.stir.length", index, 60, 180))
    return awake


def _bouts_of_hours(who: People, hour: Ints) -> Bouts:
    """A bout for each person and hour; those that would cut into the night, and hours of rest, have no length.

    A workout lasts until minute 50 at most, so that the cool-down that follows it ends within its hour.
    """
    draw = uniform(who.key, "bout.kind", hour)
    kind = np.select([draw < 0.22, draw < 0.40], [int(Kind.CHORES), int(Kind.WALK)], int(Kind.REST))
    sporty = uniform(who.key, "bout.workout", hour // 24) < 0.05 + 0.22 * who.fitness
    kind = np.where(sporty & (hour % 24 == who.workout_hour), int(Kind.WORKOUT), kind)
    start = hour * HOUR + between(who.key, "bout.start", hour, 120, 1500)
    start = np.where(kind == Kind.WORKOUT, hour * HOUR + between(who.key, "bout.early", hour, 120, 480), start)
    length = np.choose(
        kind,
        [
            np.zeros_like(start),
            between(who.key, "bout.chores", hour, 240, 1000),
            between(who.key, "bout.walk", hour, 300, 1300),
            between(who.key, "bout.workout.length", hour, 1300, 2500),
        ],
    )
    effort = np.choose(
        kind,
        [
            np.zeros_like(start),
            between(who.key, "bout.chores.effort", hour, 0.04, 0.09),
            between(who.key, "bout.walk.effort", hour, 0.09, 0.15),
            between(who.key, "bout.workout.effort", hour, 0.52, 0.74),
        ],
    )
    awake = _awake_throughout(who, start, start + length)
    return Bouts(start=start, end=start + np.where(awake, length, 0.0), kind=kind, effort=effort)


def _awake_throughout(who: People, start: Floats, end: Floats) -> Bools:
    around = night_of(who, start)
    awake: Bools = (end < around.bed - 1500) | (start > around.wake + 900)
    return awake
