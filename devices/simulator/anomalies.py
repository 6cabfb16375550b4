"""What can be done to a simulated person so that a given rule has to fire.

An anomaly overwrites some metrics of a stretch and leaves the body's other values alone, except where they would
contradict it (a racing heart at rest takes no steps). Each is long enough for its rule, with default `--duration`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from devices.simulator.noise import Bools, Floats, between
from devices.simulator.people import People
from devices.simulator.sensors import POSTURE, Columns, round_to

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`values` holds the lowest and highest value each metric takes, in the catalogue's unit.

    `lasts_s` is the natural length, `hertz` the rate of its readings where it has one of its own, `every_minute` names
    metrics that are measured once a minute only, `absent` those not measured, `steady` keeps the heart rate at one
    value, `silent` sends nothing at all, `also` are the other alert types that it may raise, `baseline` says that the
    rule needs a person with a week of history.
    """

    name: str
    alert_type: str
    lasts_s: int
    values: Mapping[str, Bounds] = field(default_factory=dict)
    posture: str = "seated"
    hertz: float | None = None
    every_minute: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    steady: bool = False
    silent: bool = False
    off_skin: bool = False
    also: tuple[str, ...] = ()
    baseline: bool = False


_STILL: Final = {"activity_level": (2.0, 5.0), "steps_per_minute": (0.0, 0.0)}
_ALL: Final = (
    Anomaly(
        "tachycardia_at_rest", "TACHYCARDIA_AT_REST", 30, {"heart_rate": (110.0, 130.0), **_STILL},
        hertz=2.0, also=("ELEVATED_HEART_RATE",),
    ),
    Anomaly(
        "tachycardia", "TACHYCARDIA", 30,
        {"heart_rate": (185.0, 200.0), "activity_level": (70.0, 90.0), "steps_per_minute": (150.0, 170.0)},
        posture="running", absent=("hrv_ms", "respiratory_rate"), also=("ELEVATED_HEART_RATE",),
    ),
    Anomaly("bradycardia", "BRADYCARDIA", 30, {"heart_rate": (31.0, 37.0), **_STILL}, posture="lying"),
    Anomaly("hypoxia", "HYPOXIA", 60, {"spo2_percent": (89.0, 91.0), **_STILL}),
    Anomaly("hypoxia_critical", "HYPOXIA", 60, {"spo2_percent": (79.0, 86.0), **_STILL}),
    Anomaly("fever", "FEVER", 120, {"body_temp_c": (38.4, 39.3), **_STILL}, posture="lying"),
    Anomaly("tachypnea", "TACHYPNEA", 60, {"respiratory_rate": (27.0, 33.0), **_STILL}),
    Anomaly("bradypnea", "BRADYPNEA", 60, {"respiratory_rate": (5.0, 7.0), **_STILL}, posture="lying"),
    Anomaly(
        "hypertensive_crisis", "HYPERTENSIVE_CRISIS", 120,
        {"blood_pressure_systolic": (186.0, 205.0), "blood_pressure_diastolic": (112.0, 128.0), **_STILL},
        every_minute=("blood_pressure_systolic", "blood_pressure_diastolic"), also=("ELEVATED_BLOOD_PRESSURE",),
    ),
    Anomaly(
        "elevated_heart_rate", "ELEVATED_HEART_RATE", 180,
        {"heart_rate": (108.0, 124.0), "activity_level": (40.0, 55.0), "steps_per_minute": (95.0, 110.0)},
        posture="walking", absent=("hrv_ms",),
    ),
    Anomaly(
        "elevated_blood_pressure", "ELEVATED_BLOOD_PRESSURE", 180,
        {"blood_pressure_systolic": (146.0, 160.0), "blood_pressure_diastolic": (92.0, 99.0), **_STILL},
        every_minute=("blood_pressure_systolic", "blood_pressure_diastolic"),
    ),
    Anomaly(
        "elevated_blood_sugar", "ELEVATED_BLOOD_SUGAR", 1_500, {"blood_glucose_mg_dl": (205.0, 240.0), **_STILL},
        every_minute=("blood_glucose_mg_dl",),
    ),
    Anomaly(
        "hypoglycemia", "HYPOGLYCEMIA", 300, {"blood_glucose_mg_dl": (57.0, 66.0), **_STILL},
        every_minute=("blood_glucose_mg_dl",),
    ),
    Anomaly(
        "hypoglycemia_critical", "HYPOGLYCEMIA", 300, {"blood_glucose_mg_dl": (42.0, 51.0), **_STILL},
        every_minute=("blood_glucose_mg_dl",),
    ),
    Anomaly("hrv_drop", "HRV_DROP", 60, {"hrv_ms": (3.0, 5.0), **_STILL}, baseline=True),
    Anomaly("heart_rate_unusual", "HEART_RATE_UNUSUAL", 240, {"heart_rate": (96.0, 99.0), **_STILL}, baseline=True),
    Anomaly("sensor_stuck", "SENSOR_STUCK", 2_100, _STILL, steady=True),
    Anomaly(
        "sensor_off", "SENSOR_OFF", 480,
        {"heart_rate": (0.0, 0.0), "spo2_percent": (0.0, 0.0), "respiratory_rate": (0.0, 0.0), **_STILL},
        posture="unknown", absent=("hrv_ms",), off_skin=True,
    ),
    Anomaly("device_silent", "DEVICE_SILENT", 600, silent=True),
)  # fmt: skip

ANOMALIES: Final = MappingProxyType({anomaly.name: anomaly for anomaly in _ALL})


def overwrite(anomaly: Anomaly, who: People, t: Floats, opens_minute: Bools, columns: Columns) -> Columns:
    """The columns of people who have the anomaly at every time of `t`; metrics it does not name stay as they were.

    `opens_minute` marks the first reading of each minute of the anomaly, which carries what is measured once a minute.
    """
    moment = np.rint(t * 1000.0).astype(np.int64)
    changed = dict(columns) if anomaly.values.get("steps_per_minute", (0.0, 0.0))[1] else _calmed(who, columns)
    for name, (low, high) in anomaly.values.items():
        values = round_to(name, between(who.key, f"anomaly.{name}", moment, low, high))
        changed[name] = np.where(opens_minute, values, np.nan) if name in anomaly.every_minute else values
    if anomaly.steady:
        changed["heart_rate"] = np.broadcast_to(np.round(who.resting_hr), t.shape)
    if anomaly.off_skin:
        changed["skin_temp_c"] = round_to("skin_temp_c", columns["room_temp_c"] + 0.8)
    for name in anomaly.absent:
        changed[name] = np.full(t.shape, np.nan)
    changed["posture"] = np.full(t.shape, POSTURE[anomaly.posture])
    changed["sleep_stage"] = np.full(t.shape, -1.0)
    return changed


def _calmed(who: People, columns: Columns) -> Columns:
    """Whoever sits still does not have the heart and the breath of the run that the day had planned."""
    return columns | {
        "heart_rate": np.minimum(columns["heart_rate"], np.round(who.resting_hr + 10.0)),
        "hrv_ms": np.maximum(columns["hrv_ms"], np.round(0.75 * who.rmssd)),
        "respiratory_rate": np.minimum(columns["respiratory_rate"], 17.0),
    }
