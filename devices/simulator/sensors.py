"""What devices report of a body: noise, whole numbers, and nothing at all where a real device reports nothing.

Every column is an array of shape (people, times) of floats, NaN where the reading does not hold the metric; text
metrics are codes into the catalogue's choices, -1 where absent.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from devices.metrics import METRICS
from devices.simulator.body import Body
from devices.simulator.day import DAY, Kind, cuff_now
from devices.simulator.noise import Bools, Floats, Ints, between, smooth, uniform, white
from devices.simulator.people import People

Columns = dict[str, Floats]

POSTURE: Final = {name: float(code) for code, name in enumerate(METRICS["posture"].choices)}
# By kind of bout (rest, chores, walk, workout, cool-down): steps a minute and activity, each lowest and highest.
_STEPS_LOW: Final = np.array([0.0, 12.0, 92.0, 148.0, 55.0])
_STEPS_HIGH: Final = np.array([0.0, 36.0, 112.0, 171.0, 82.0])
_ACTIVITY_LOW: Final = np.array([0.0, 14.0, 31.0, 64.0, 18.0])
_ACTIVITY_HIGH: Final = np.array([0.0, 27.0, 49.0, 91.0, 31.0])
# Half width of the uniform noise of the sensor itself, in the unit of the metric.
_SENSOR_NOISE: Final[Mapping[str, float]] = {
    "heart_rate": 0.9,
    "hrv_ms": 1.2,
    "respiratory_rate": 0.4,
    "spo2_percent": 0.4,
    "skin_temp_c": 0.06,
    "body_temp_c": 0.04,
    "blood_pressure_systolic": 2.5,
    "blood_pressure_diastolic": 2.0,
    "blood_glucose_mg_dl": 2.0,
}
CUFF: Final = ("blood_pressure_systolic", "blood_pressure_diastolic")
OPTICAL: Final = ("heart_rate", "hrv_ms", "spo2_percent")


def sense(who: People, t: Floats, on_minute: Bools, state: Body) -> Columns:
    """The readings of `state` at `t` (seconds). `on_minute` marks the first reading of each minute of the person.

    Cuff and glucose values ride on such a reading only, so that they do not depend on how often readings are sent.
    """
    columns = {name: _noisy(who, t, name, values) for name, values in state.values.items()}
    columns |= _activity(who, t, state)
    columns |= _surroundings(who, t)
    columns["sleep_stage"] = state.rest.stage.astype(np.float64)
    columns["sleep_hours_last_night"] = state.rest.hours_last_night
    _hide(columns, who, t, on_minute, state)
    return {name: round_to(name, values) for name, values in columns.items()}


def round_to(name: str, values: Floats) -> Floats:
    """As the device gives it: the catalogue's decimals, the nearest of them."""
    rounded: Floats = np.round(values, METRICS[name].decimals)
    return rounded


def received(who: People, t: Floats) -> Bools:
    """Which readings arrive: the radio loses 5 to 30 s in one of fifty stretches of ten minutes."""
    slot = np.floor(t / 600.0)
    index = slot.astype(np.int64)
    since = t - slot * 600.0 - between(who.key, "gap.at", index, 0, 560)
    lost = uniform(who.key, "gap", index) < 0.02
    return ~(lost & (since >= 0) & (since < between(who.key, "gap.length", index, 5, 30)))


def _noisy(who: People, t: Floats, name: str, values: Floats) -> Floats:
    return values + _SENSOR_NOISE[name] * white(who.key, f"sensor.{name}", t)


def _activity(who: People, t: Floats, state: Body) -> Columns:
    kind = state.movement.kind
    pace = 0.5 + 0.5 * smooth(who.key, "pace", t, 40.0)
    fidget = np.where(state.rest.stage >= 0, 0.9, 4.0 + 2.5 * state.standing) * pace
    level = np.where(kind == 0, fidget, _within(_ACTIVITY_LOW, _ACTIVITY_HIGH, kind, pace))
    burnt = 0.0175 * who.weight_kg * (0.95 - 0.1 * state.rest.asleep + 9.0 * state.movement.breath)
    return {
        "steps_per_minute": _within(_STEPS_LOW, _STEPS_HIGH, kind, pace),
        "activity_level": level,
        "calories_per_minute": burnt,
        "posture": _posture(state, kind),
    }


def _within(low: Floats, high: Floats, kind: Ints, part: Floats) -> Floats:
    return low[kind] + (high - low)[kind] * part


def _posture(state: Body, kind: Ints) -> Floats:
    still = np.where(state.standing > 0.5, POSTURE["standing"], POSTURE["seated"])
    still = np.where(state.rest.stage >= 0, POSTURE["lying"], still)
    moving = np.array([0.0, POSTURE["standing"], POSTURE["walking"], POSTURE["running"], POSTURE["walking"]])
    return np.where(kind == Kind.REST, still, moving[kind])


def _surroundings(who: People, t: Floats) -> Columns:
    sun = np.cos((t / DAY - 15.5 / 24.0) * (2.0 * np.pi))
    return {
        "room_temp_c": who.room_temp + 1.2 * sun + 0.3 * smooth(who.key, "room", t, 3600.0),
        "humidity_percent": who.humidity - 3.0 * sun + 2.0 * smooth(who.key, "humidity", t, 5400.0),
    }


def _hide(columns: Columns, who: People, t: Floats, on_minute: Bools, state: Body) -> None:
    """Blank what the devices do not measure just now.

    A wrist sensor gives no RMSSD, oxygen or breathing while it is shaken, and no RMSSD until its window of minutes
    holds rest only; cuff and glucose sensor measure now and then; the optical sensor loses contact for seconds.
    """
    kind, settled = state.movement.kind, state.movement.settled_s
    shaken = (kind == Kind.WORKOUT) | (columns["respiratory_rate"] > 23.0)
    unsettled = (kind == Kind.COOL_DOWN) | ((kind == Kind.REST) & (settled < 150.0))
    minute = _minute(who, t)
    cuff = on_minute & cuff_now(who, minute) & (kind == Kind.REST) & (settled > 600.0) & (state.rest.stage < 0)
    cgm = on_minute & (minute % 5 == who.phase_ms % 5) & (who.wears_cgm > 0)
    lost = _lost_contact(who, t)
    _blank(columns, ("hrv_ms",), shaken | unsettled)
    _blank(columns, ("spo2_percent", "respiratory_rate"), shaken)
    _blank(columns, CUFF, ~cuff)
    _blank(columns, ("blood_glucose_mg_dl",), ~cgm)
    _blank(columns, ("body_temp_c",), np.broadcast_to(who.wears_core == 0, t.shape))
    _blank(columns, OPTICAL, lost)


def _minute(who: People, t: Floats) -> Ints:
    return np.floor((t * 1000.0 - who.phase_ms + 0.5) / 60_000.0).astype(np.int64)


def _lost_contact(who: People, t: Floats) -> Bools:
    slot = np.floor(t / 300.0)
    index = slot.astype(np.int64)
    since = t - slot * 300.0 - between(who.key, "contact.at", index, 0, 280)
    loses = uniform(who.key, "contact", index) < 0.03
    lost: Bools = loses & (since >= 0) & (since < between(who.key, "contact.length", index, 3, 15))
    return lost


def _blank(columns: Columns, names: tuple[str, ...], where: Bools) -> None:
    for name in names:
        columns[name] = np.where(where, np.nan, columns[name])
