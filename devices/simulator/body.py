"""How a body answers to what its person does: true values, before any sensor has seen them.

Each quantity is a level of the person's own, a daily rhythm, the pull of sleep, a lagged answer to every bout of
movement, and slow noise. The answers are first-order lags in closed form, so a value needs no history to be computed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from devices.simulator.day import DAY, HOUR, Bouts, Kind, Night, Stage, bouts, last_night, meals, night_of, stages
from devices.simulator.noise import Floats, Ints, smooth
from devices.simulator.people import People

COOL_DOWN_S: Final = 480.0
# Time constants of the answer to effort, in seconds: (onset, recovery). Heart rate and breathing answer within a
# minute, the skin in ten, the core in a quarter of an hour.
HEART_LAG: Final = (35.0, 62.0)
BREATH_LAG: Final = (28.0, 45.0)
SKIN_LAG: Final = (480.0, 600.0)
CORE_LAG: Final = (900.0, 1300.0)


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """What the body does at each time, and what it still feels of what it did; shape (people, times).

    `settled_s` is the time since the last bout ended, in seconds (0 within one).
    """

    kind: Ints
    heart: Floats
    breath: Floats
    skin: Floats
    core: Floats
    settled_s: Floats

    @property
    def still(self) -> Floats:
        """1 between bouts, 0 within one."""
        return np.where(self.kind == Kind.REST, 1.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """Night and rhythm at each time: the stage, its depth 0-1, how much of sleep has set in 0-1, the daily wave."""

    stage: Ints
    depth: Floats
    asleep: Floats
    rhythm: Floats
    hours_last_night: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The true values at each time, shape (people, times), with what explains them."""

    movement: Movement
    rest: Rest
    standing: Floats
    values: dict[str, Floats]


def body(who: People, t: Floats) -> Body:
    """The state of everyone at the times `t`, seconds since the epoch, shape (people, times)."""
    moved = movement(who, t)
    rest = resting(who, t)
    upright = np.clip((smooth(who.key, "posture", t, 900.0) - 0.3) * 5.0, 0.0, 1.0)
    standing = upright * (1.0 - rest.asleep) * (rest.stage < 0)
    values = {
        "heart_rate": _heart_rate(who, t, moved, rest, standing),
        "hrv_ms": _rmssd(who, t, moved, rest),
        "respiratory_rate": _respiration(who, t, moved, rest),
        "spo2_percent": who.spo2 - 0.6 * rest.asleep + 0.7 * smooth(who.key, "spo2", t, 120.0),
        "skin_temp_c": _skin(who, t, moved, rest),
        "body_temp_c": _core(who, t, moved, rest),
        "blood_pressure_systolic": who.systolic + 4.0 * rest.rhythm + 4.0 * smooth(who.key, "systolic", t, HOUR),
        "blood_pressure_diastolic": who.diastolic + 2.5 * rest.rhythm + 3.0 * smooth(who.key, "diastolic", t, HOUR),
        "blood_glucose_mg_dl": _glucose(who, t, moved),
    }
    return Body(movement=moved, rest=rest, standing=standing, values=values)


def movement(who: People, t: Floats) -> Movement:
    """Which bout runs at `t`, and the lagged effort (part of the heart rate reserve) that each organ feels."""
    felt = {lag: np.zeros(t.shape) for lag in (HEART_LAG, BREATH_LAG, SKIN_LAG, CORE_LAG)}
    kind = np.zeros(t.shape, dtype=np.int64)
    settled = np.full(t.shape, 2.0 * HOUR)
    for bout in bouts(who, t):
        cooling = np.where((bout.kind == Kind.WORKOUT) & (bout.end > bout.start), COOL_DOWN_S, 0.0)
        last = bout.end + cooling
        for lag in felt:
            felt[lag] += bout.effort * _answer(t, bout.start, bout.end, lag)
            felt[lag] += 0.16 * bout.effort * _answer(t, bout.end, last, lag)
        kind += np.where((t >= bout.start) & (t < bout.end), bout.kind, 0)
        kind += np.where((t >= bout.end) & (t < last), int(Kind.COOL_DOWN), 0)
        settled = np.minimum(settled, _since(t, bout, last))
    return Movement(
        kind=kind,
        heart=felt[HEART_LAG],
        breath=felt[BREATH_LAG],
        skin=felt[SKIN_LAG],
        core=felt[CORE_LAG],
        settled_s=settled,
    )


def resting(who: People, t: Floats) -> Rest:
    """Sleep and the daily wave, which peaks at about 17:00."""
    around = night_of(who, t)
    stage, depth = stages(who, t, around)
    wave = np.cos((t / DAY - (16.8 + who.chronotype) / 24.0) * (2.0 * np.pi))
    return Rest(
        stage=stage,
        depth=depth,
        asleep=_asleep(t, around),
        rhythm=wave,
        hours_last_night=last_night(who, t).hours_asleep,
    )


def _heart_rate(who: People, t: Floats, moved: Movement, rest: Rest, standing: Floats) -> Floats:
    calm = 1.0 - 0.35 * rest.asleep
    wander = 2.4 * smooth(who.key, "hr.mood", t, 420.0) + 1.6 * smooth(who.key, "hr.drift", t, 45.0)
    beat = 1.5 * smooth(who.key, "hr.breath", t, 4.0)
    effort = moved.heart * (1.0 + 0.05 * smooth(who.key, "hr.effort", t, 150.0))
    level = who.resting_hr + 2.0 * rest.rhythm - (4.0 + 4.0 * rest.depth) * rest.asleep
    return level + calm * (wander + beat) + 4.0 * standing * moved.still + effort * (who.max_hr - who.resting_hr)


def _rmssd(who: People, t: Floats, moved: Movement, rest: Rest) -> Floats:
    """Variability falls with effort, about as exp(-3.5 x) of the heart rate reserve used, and rises in deep sleep."""
    day = 1.0 + 0.06 * smooth(who.key, "hrv.day", t, DAY)
    night = (1.0 + 0.20 * rest.asleep) * (1.0 + 0.12 * rest.depth * rest.asleep) * (1.0 - 0.06 * rest.rhythm)
    wander = np.exp(0.19 * smooth(who.key, "hrv.slow", t, 600.0) + 0.11 * smooth(who.key, "hrv.fast", t, 45.0))
    level: Floats = who.rmssd * day * night * wander * np.exp(-3.5 * moved.heart)
    return np.maximum(level, 11.0)


def _respiration(who: People, t: Floats, moved: Movement, rest: Rest) -> Floats:
    wander = 1.0 * smooth(who.key, "rr.slow", t, 200.0) + 0.8 * smooth(who.key, "rr.fast", t, 15.0)
    dreaming = np.where(rest.stage == Stage.REM, 0.8, 0.0) * rest.asleep
    return who.respiration - 1.4 * rest.asleep + dreaming + 22.0 * moved.breath + wander


def _skin(who: People, t: Floats, moved: Movement, rest: Rest) -> Floats:
    wander = 0.25 * smooth(who.key, "skin", t, 1800.0)
    return who.skin_temp + 0.9 * rest.asleep - 0.2 * rest.rhythm + 1.3 * moved.skin + wander


def _core(who: People, t: Floats, moved: Movement, rest: Rest) -> Floats:
    wander = 0.05 * smooth(who.key, "core", t, 1200.0)
    return who.core_temp + 0.25 * rest.rhythm - 0.15 * rest.asleep + 0.7 * moved.core + wander


def _glucose(who: People, t: Floats, moved: Movement) -> Floats:
    """Each meal rises to its peak 40 minutes after it began and is gone after about three hours."""
    rise = np.zeros(t.shape)
    for at, size in meals(who, t):
        since = np.maximum(t - at, 0.0) / 2400.0
        rise += size * since * np.exp(1.0 - since)
    return who.glucose + rise - 8.0 * moved.core + 3.0 * smooth(who.key, "glucose", t, 1500.0)


def _answer(t: Floats, start: Floats, end: Floats, lag: tuple[float, float]) -> Floats:
    """What a first-order lag makes of a unit step from `start` to `end`: 0-1."""
    onset, recovery = lag
    reached = 1.0 - np.exp(-np.clip(np.minimum(t, end) - start, 0.0, None) / onset)
    return reached * np.exp(-np.clip(t - end, 0.0, None) / recovery)


def _since(t: Floats, bout: Bouts, last: Floats) -> Floats:
    took_place = (last > bout.start) & (t >= bout.start)
    return np.where(took_place, np.maximum(t - last, 0.0), 2.0 * HOUR)


def _asleep(t: Floats, around: Night) -> Floats:
    """Sleep sets in over 20 minutes and leaves in 8: 0 awake, 1 asleep, without a step."""
    return _ease((t - around.bed) / 1200.0) * _ease((around.wake - t) / 480.0)


def _ease(x: Floats) -> Floats:
    part = np.clip(x, 0.0, 1.0)
    return part * part * (3.0 - 2.0 * part)
