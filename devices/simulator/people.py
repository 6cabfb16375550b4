"""Who the simulated people are: traits that stay the same for a person's whole life."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from devices.simulator.noise import Floats, Ints, Keys, between, person_keys, uniform

WRIST: Final = ("apple_watch", "garmin_venu", "fitbit_sense")
WORKOUT_HOURS: Final = (7, 12, 17, 18)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """A population as columns: every array has the shape (people, 1), every trait depends on seed and `user_id` alone.

    Rates are per minute, temperatures in degrees Celsius, pressures in mmHg, glucose in mg/dL, `chronotype` in hours
    later than average, `phase_ms` where in the minute this person's device reports.
    """

    seed: int
    user_ids: tuple[str, ...]
    key: Keys
    phase_ms: Ints
    age: Floats
    fitness: Floats
    weight_kg: Floats
    chronotype: Floats
    resting_hr: Floats
    max_hr: Floats
    rmssd: Floats
    respiration: Floats
    spo2: Floats
    skin_temp: Floats
    core_temp: Floats
    systolic: Floats
    diastolic: Floats
    glucose: Floats
    workout_hour: Ints
    room_temp: Floats
    humidity: Floats
    wears_cgm: Floats
    wears_core: Floats
    device_sources: tuple[tuple[str, ...], ...]

    def pick(self, which: Sequence[int]) -> "People":
        """These people alone, by their index."""
        return people(self.seed, [self.user_ids[index] for index in which])


def wearer_ids(count: int) -> tuple[str, ...]:
    """`user_001`, `user_002`, ...: the people of a simulation of that size."""
    return tuple(f"user_{number:03d}" for number in range(1, count + 1))


def people(seed: int, user_ids: Sequence[str]) -> People:
    """The people of these ids. Resting rates, HRV and pressure vary with age and fitness as in healthy adults.

    Maximal heart rate is 208 - 0.7 x age (Tanaka 2001).
    """
    key = person_keys(seed, user_ids)
    none: Ints = np.zeros_like(key, dtype=np.int64)

    def trait(name: str, low: float, high: float) -> Floats:
        return between(key, f"trait.{name}", none, low, high)

    age = trait("age", 21, 78)
    fitness = np.clip(trait("fitness", 0.05, 1.0) - (age - 50) / 250, 0.0, 1.0)
    wears_cgm = (uniform(key, "trait.cgm", none) < 0.3).astype(np.float64)
    wears_core = (uniform(key, "trait.core", none) < 0.3).astype(np.float64)
    return People(
        seed=seed,
        user_ids=tuple(user_ids),
        key=key,
        phase_ms=np.floor(trait("phase", 0, 60_000)).astype(np.int64),
        age=age,
        fitness=fitness,
        weight_kg=trait("weight", 52, 96),
        chronotype=trait("chronotype", -1.3, 1.3),
        resting_hr=np.clip(71.0 - 12.0 * fitness + trait("resting", -3, 3), 57.0, 73.0),
        max_hr=208.0 - 0.7 * age,
        rmssd=np.clip(64.0 - 0.55 * (age - 21) + 24.0 * (fitness - 0.5) + trait("rmssd", -6, 6), 26.0, 85.0),
        respiration=trait("respiration", 13.0, 16.0),
        spo2=trait("spo2", 96.6, 98.4),
        skin_temp=trait("skin", 33.6, 35.0),
        core_temp=trait("core_temp", 36.6, 36.85),
        systolic=trait("systolic", 106, 118) + (age - 21) * 0.08,
        diastolic=trait("diastolic", 66, 77),
        glucose=trait("glucose", 87, 97),
        workout_hour=np.take(WORKOUT_HOURS, np.floor(trait("workout_hour", 0, len(WORKOUT_HOURS))).astype(np.int64)),
        room_temp=trait("room", 19.5, 23.0),
        humidity=trait("humidity", 35, 52),
        wears_cgm=wears_cgm,
        wears_core=wears_core,
        device_sources=_devices(key, none, wears_cgm, wears_core),
    )


def _devices(key: Keys, none: Ints, wears_cgm: Floats, wears_core: Floats) -> tuple[tuple[str, ...], ...]:
    wrist = np.floor(between(key, "trait.wrist", none, 0, len(WRIST))).astype(np.int64)[:, 0]
    ring = uniform(key, "trait.ring", none)[:, 0] < 0.5
    worn = zip(wrist.tolist(), ring.tolist(), wears_cgm[:, 0].tolist(), wears_core[:, 0].tolist(), strict=True)
    return tuple(
        (
            WRIST[watch],
            *(("oura_ring",) if has_ring else ()),
            "withings_bpm",
            *(("dexcom_g7",) if has_cgm else ()),
            *(("core_sensor",) if has_core else ()),
        )
        for watch, has_ring, has_cgm, has_core in worn
    )
