"""The catalogue of what a wearable can say: one entry a metric, and everything else reads it.

Validation, columns, charts, units, exports and documents take names, bounds and codes from here. Adding a vital is
one entry and one migration. Units are UCUM codes; bounds and codes are those of LOINC and of the sources named in
docs/detection.md. No Django here: the detection engine imports it.
"""

from dataclasses import dataclass
from enum import IntFlag
from types import MappingProxyType
from typing import Final, Literal

Group = Literal["vitals", "activity", "sleep", "environment"]


class Flag(IntFlag):
    """What is remarkable about a stored reading; bits of `Reading.flags`."""

    LATE = 1  # more than 10 min behind the person's watermark on arrival
    HEART_RATE_NOT_MEASURED = 2  # sent as 0 or 255, stored as null
    SPO2_NOT_MEASURED = 4  # sent as 0, stored as null
    RESPIRATORY_RATE_NOT_MEASURED = 8  # sent as 0, stored as null
    OUT_OF_ORDER = 16  # not newer than what the person had sent before it, but not late either
    SUSPECT_HEART_RATE = 1 << 8
    SUSPECT_HRV = 1 << 9
    SUSPECT_SPO2 = 1 << 10
    SUSPECT_SKIN_TEMP = 1 << 11
    SUSPECT_RESPIRATORY_RATE = 1 << 12
    SUSPECT_BLOOD_PRESSURE = 1 << 13  # either number, or their difference
    SUSPECT_BODY_TEMP = 1 << 14
    SUSPECT_BLOOD_GLUCOSE = 1 << 15
    SUSPECT_HRV_SDNN = 1 << 16
    # Reasons for doubt that neighbours give; with each of them stands the metric's own SUSPECT_.
    HEART_RATE_JUMP = 1 << 17  # faster than physiology, see `fastest`
    SPO2_JUMP = 1 << 18
    SKIN_TEMP_JUMP = 1 << 19
    RESPIRATORY_RATE_JUMP = 1 << 20
    BODY_TEMP_JUMP = 1 << 21
    BLOOD_GLUCOSE_JUMP = 1 << 22
    HEART_RATE_STUCK = 1 << 23  # the same for 30 min and 30 readings


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity or state a reading may hold.

    `low`..`high` are the outer bounds, in `unit`, inclusive unless `low_open`: beyond them the event is refused.
    `suspect_low`..`suspect_high` are the inner bounds: beyond them the value is kept and flagged.
    `sentinels` are values that mean "not measured". A metric with `choices` is text, all others are numbers.
    `mad_floor` is the least spread, in `unit`, that a person's own values are taken to have (see below); a
    metric without one has no personal baseline. `fastest` is the fastest change of a body, in `unit` a minute (see
    below); a metric without one has no `jump_flag`. One with a `stuck_flag` is never still while it is measured.
    """

    name: str
    label: str
    group: Group
    field: str
    unit: str
    shown: str
    loinc: str | None = None
    decimals: int = 0
    low: float = 0.0
    high: float = 0.0
    low_open: bool = False
    suspect_low: float | None = None
    suspect_high: float | None = None
    suspect_flag: Flag | None = None
    sentinels: tuple[float, ...] = ()
    sentinel_flag: Flag | None = None
    axis: tuple[float, float] | None = None
    mad_floor: float | None = None
    fastest: float | None = None
    jump_flag: Flag | None = None
    stuck_flag: Flag | None = None
    choices: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the event holds it: `vitals.heart_rate`."""
        return f"{self.group}.{self.field}"

    @property
    def is_text(self) -> bool:
        return bool(self.choices)

    @property
    def noise(self) -> float:
        """How far two readings of one true value may lie apart: five standard deviations of their difference.

        The standard deviation of the sensor is `mad_floor` / 0.6745, that of a difference the square root of 2 times
        as much: together 10.5 times `mad_floor`, here 10.
        """
        return 10.0 * (self.mad_floor or 0.0)


# Where a person's values hardly differ, the spread of the sensor itself must not make a small step look like an alarm.
# `mad_floor` is the median absolute deviation that the sensor's error alone gives: 0.6745 of its standard deviation,
# rounded to what the metric is shown in. Only the vitals have one: steps, activity and energy are zero most of the
# time, so that their spread is zero and no distance from it means anything; sleep and the room are not read all day.
#   heart rate        5 bpm (IEC 60601-2-27, 201.12.1.101) as two standard deviations: 1.7, shown in whole beats
#   HRV               wrist against ECG is off by 5 to 10 ms at rest; reasoned, no standard has a number
#   SpO2              A_rms of 2 % (half of what ISO 80601-2-61 allows): 1.3; part of it is bias, which a person's own
#                     median takes away, and readings come in whole percents
#   skin temperature  0.2 Cel between two fits of the same strap; reasoned
#   respiration       2 /min as two standard deviations: 0.7, shown in whole breaths
#   blood pressure    standard deviation of 8 mmHg (ISO 81060-2): 5.4
#   core temperature  0.3 Cel (ISO 80601-2-56) as two standard deviations: 0.1
#   glucose           15 mg/dL for 95 % of values (ISO 15197): 5.2
#
# `fastest` is what a body can do in a minute; a value that is further from the one before it than that and the noise of
# the sensor together is a jump. Measured on the real recordings that are at hand, it marks 1 heart rate in 10,000 of
# wrist devices, and no oxygen, respiration or glucose.
#   heart rate        3 bpm a second: the vagal part of the answer to effort, up to 30 bpm in 10 s (Fagraeus and
#                     Linnarsson 1976); it is a step that the noise does not cover
#   SpO2              1 % a second: what blood regains after an apnoea; it is lost more slowly
#   skin temperature  3 Cel a minute: more than a bare wrist loses in cold air; a strap taken off loses ten; reasoned
#   respiration       1 /min a second: it is counted over several breaths; reasoned
#   core temperature  0.35 Cel a minute: immersion in ice water (Casa 2007), nothing is faster
#   glucose           4 mg/dL a minute: the steepest arrow of continuous sensors begins at 3
# HRV differs from one minute to the next by as much as it may be at all, and each reading of a cuff stands alone: they
# have none. Only the heart rate is never still: oxygen, temperature and breath of a sleeper stay the same for an hour.
_ALL: Final = (
    Metric(
        "heart_rate", "Heart rate", "vitals", "heart_rate", "/min", "bpm", "8867-4", 0,
        low=1, high=350, suspect_low=25, suspect_high=230, suspect_flag=Flag.SUSPECT_HEART_RATE,
        sentinels=(0.0, 255.0), sentinel_flag=Flag.HEART_RATE_NOT_MEASURED, axis=(40, 140), mad_floor=2,
        fastest=180, jump_flag=Flag.HEART_RATE_JUMP, stuck_flag=Flag.HEART_RATE_STUCK,
    ),
    Metric(
        "hrv_ms", "HRV", "vitals", "hrv_ms", "ms", "ms", None, 0,
        low=0, high=500, suspect_low=10, suspect_high=250, suspect_flag=Flag.SUSPECT_HRV, axis=(0, 100), mad_floor=5,
    ),
    Metric(
        "spo2_percent", "SpO₂", "vitals", "spo2_percent", "%", "%", "59408-5", 0,
        low=0, high=100, low_open=True, suspect_low=70, suspect_high=100, suspect_flag=Flag.SUSPECT_SPO2,
        sentinels=(0.0,), sentinel_flag=Flag.SPO2_NOT_MEASURED, axis=(82, 100), mad_floor=1,
        fastest=60, jump_flag=Flag.SPO2_JUMP,
    ),
    Metric(
        "skin_temp_c", "Skin temperature", "vitals", "skin_temp_c", "Cel", "°C", "61008-9", 1,
        low=10, high=50, suspect_low=20, suspect_high=42, suspect_flag=Flag.SUSPECT_SKIN_TEMP, axis=(30, 40),
        mad_floor=0.2, fastest=3, jump_flag=Flag.SKIN_TEMP_JUMP,
    ),
    Metric(
        "respiratory_rate", "Respiration", "vitals", "respiratory_rate", "/min", "br/min", "9279-1", 0,
        low=1, high=100, suspect_low=4, suspect_high=60, suspect_flag=Flag.SUSPECT_RESPIRATORY_RATE,
        sentinels=(0.0,), sentinel_flag=Flag.RESPIRATORY_RATE_NOT_MEASURED, axis=(5, 35), mad_floor=1,
        fastest=60, jump_flag=Flag.RESPIRATORY_RATE_JUMP,
    ),
    Metric(
        "blood_pressure_systolic", "Systolic pressure", "vitals", "blood_pressure_systolic", "mm[Hg]", "mmHg",
        "8480-6", 0, low=20, high=300, suspect_low=50, suspect_high=250,
        suspect_flag=Flag.SUSPECT_BLOOD_PRESSURE, axis=(60, 200), mad_floor=5,
    ),
    Metric(
        "blood_pressure_diastolic", "Diastolic pressure", "vitals", "blood_pressure_diastolic", "mm[Hg]", "mmHg",
        "8462-4", 0, low=10, high=250, suspect_low=20, suspect_high=160,
        suspect_flag=Flag.SUSPECT_BLOOD_PRESSURE, axis=(60, 200), mad_floor=5,
    ),
    Metric(
        "body_temp_c", "Core temperature", "vitals", "body_temp_c", "Cel", "°C", "8310-5", 1,
        low=26, high=45, suspect_low=30, suspect_high=43, suspect_flag=Flag.SUSPECT_BODY_TEMP, axis=(36, 40),
        mad_floor=0.1, fastest=0.35, jump_flag=Flag.BODY_TEMP_JUMP,
    ),
    Metric(
        "blood_glucose_mg_dl", "Glucose", "vitals", "blood_glucose_mg_dl", "mg/dL", "mg/dL", "2339-0", 0,
        low=10, high=1000, suspect_low=40, suspect_high=400, suspect_flag=Flag.SUSPECT_BLOOD_GLUCOSE, axis=(40, 300),
        mad_floor=5, fastest=4, jump_flag=Flag.BLOOD_GLUCOSE_JUMP,
    ),
    Metric(
        "hrv_sdnn_ms", "HRV (SDNN)", "vitals", "hrv_sdnn_ms", "ms", "ms", "80404-7", 0,
        low=0, high=500, suspect_low=10, suspect_high=250, suspect_flag=Flag.SUSPECT_HRV_SDNN, axis=(0, 150),
        mad_floor=5,
    ),
    Metric("steps_per_minute", "Steps", "activity", "steps_per_minute", "{steps}/min", "/min", high=400, axis=(0, 200)),
    Metric("activity_level", "Activity", "activity", "activity_level", "1", "of 100", high=100, axis=(0, 100)),
    Metric(
        "calories_per_minute", "Energy", "activity", "calories_per_minute", "kcal/min", "kcal/min", None, 1,
        high=50, axis=(0, 20),
    ),
    Metric(
        "posture", "Posture", "activity", "posture", "1", "",
        choices=("seated", "standing", "lying", "walking", "running", "unknown"),
    ),
    Metric("sleep_stage", "Sleep stage", "sleep", "stage", "1", "", choices=("awake", "light", "deep", "rem")),
    Metric(
        "sleep_hours_last_night", "Sleep last night", "sleep", "hours_last_night", "h", "h", "93832-4", 1,
        high=24, axis=(0, 12),
    ),
    Metric(
        "room_temp_c", "Room temperature", "environment", "room_temp_c", "Cel", "°C", None, 1,
        low=-40, high=60, axis=(10, 35),
    ),
    Metric("humidity_percent", "Humidity", "environment", "humidity_percent", "%", "%", high=100, axis=(0, 100)),
)  # fmt: skip

METRICS: Final = MappingProxyType({metric.name: metric for metric in _ALL})
NUMERIC: Final = tuple(metric.name for metric in _ALL if not metric.is_text)
BASELINED: Final = tuple(metric.name for metric in _ALL if metric.mad_floor is not None)
PACED: Final = tuple(metric.name for metric in _ALL if metric.fastest is not None)
NEVER_STILL: Final = tuple(metric.name for metric in _ALL if metric.stuck_flag is not None)
TEXT: Final = tuple(metric.name for metric in _ALL if metric.is_text)

# The pair of a cuff: diastolic at or above systolic is refused; a difference beyond these is suspect (mmHg).
PULSE_PRESSURE_SUSPECT_BELOW: Final = 10.0
PULSE_PRESSURE_SUSPECT_ABOVE: Final = 150.0
MG_DL_PER_MMOL_L: Final = 18.0156


@dataclass(frozen=True, slots=True)
class Shown:
    """A unit that people read values in, by its UCUM code: `factor` times the canonical value, plus `zero`.

    `ending` is that of columns in it, `more` how many decimals it needs beyond the canonical unit.
    """

    code: str
    shown: str
    factor: float = 1.0
    zero: float = 0.0
    more: int = 0
    ending: str = ""

    @property
    def is_canonical(self) -> bool:
        return self.factor == 1.0 and self.zero == 0.0

    def value(self, canonical: float) -> float:
        """A value in this unit."""
        return canonical if self.is_canonical else round(canonical * self.factor + self.zero, _KEPT)

    def length(self, canonical: float) -> float:
        """A difference of two values in this unit: no zero point is added."""
        return canonical if self.is_canonical else round(canonical * self.factor, _KEPT)


_KEPT: Final = 6  # decimals of a converted number: less than any sensor tells, more than arithmetic blurs

# By the canonical unit the others that people read it in, and the ending of columns that hold it.
CONVERSIONS: Final[MappingProxyType[str, tuple[str, tuple[Shown, ...]]]] = MappingProxyType(
    {
        "mg/dL": ("_mg_dl", (Shown("mmol/L", "mmol/L", 1 / MG_DL_PER_MMOL_L, more=1, ending="_mmol_l"),)),
        "Cel": ("_c", (Shown("[degF]", "°F", 1.8, 32.0, ending="_f"),)),
    }
)


@dataclass(frozen=True, slots=True)
class Units:
    """The units somebody reads, by UCUM code; what they do not name is in the catalogue's own."""

    codes: frozenset[str] = frozenset()

    @property
    def are_canonical(self) -> bool:
        return not self.codes - CONVERSIONS.keys()

    def of(self, unit: str) -> Shown:
        """What values of this canonical unit are read in."""
        _, others = CONVERSIONS.get(unit, ("", ()))
        for other in others:
            if other.code in self.codes:
                return other
        return _CANONICALLY.get(unit) or Shown(unit, unit)

    def renamed(self, column: str) -> str:
        """The name of a column in these units: `skin_temp_c` is `skin_temp_f`, in degrees Fahrenheit."""
        for unit, (ending, _) in CONVERSIONS.items():
            shown = self.of(unit)
            if column.endswith(ending) and not shown.is_canonical:
                return column.removesuffix(ending) + shown.ending
        return column


_CANONICALLY: Final = {metric.unit: Shown(metric.unit, metric.shown) for metric in _ALL}
CANONICAL: Final = Units()
