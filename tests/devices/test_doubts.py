"""Why a value is in doubt, in words."""

import pytest

from devices.doubts import doubt_of, doubts_of
from devices.metrics import Flag


@pytest.mark.parametrize(
    ("flags", "doubts"),
    [
        (0, {}),
        (Flag.LATE | Flag.OUT_OF_ORDER, {}),
        (Flag.SUSPECT_SPO2, {"spo2_percent": "out of bounds"}),
        (Flag.SUSPECT_HEART_RATE | Flag.HEART_RATE_JUMP, {"heart_rate": "jump"}),
        (Flag.SUSPECT_HEART_RATE | Flag.HEART_RATE_STUCK, {"heart_rate": "stuck"}),
        (
            Flag.HEART_RATE_NOT_MEASURED | Flag.SUSPECT_SKIN_TEMP | Flag.SKIN_TEMP_JUMP,
            {"heart_rate": "not worn", "skin_temp_c": "jump"},
        ),
        (
            Flag.SUSPECT_BLOOD_PRESSURE,
            {"blood_pressure_systolic": "out of bounds", "blood_pressure_diastolic": "out of bounds"},
        ),
    ],
)
def test_every_reason_has_its_word(flags: int, doubts: dict[str, str]):
    assert doubts_of(flags) == doubts


def test_a_value_among_readings_without_one_is_not_doubted_for_them():
    assert doubt_of("heart_rate", Flag.HEART_RATE_NOT_MEASURED) == ""
    assert doubt_of("heart_rate", Flag.HEART_RATE_NOT_MEASURED | Flag.SUSPECT_HEART_RATE) == "out of bounds"
    assert doubt_of("heart_rate", Flag.SUSPECT_SPO2 | Flag.SPO2_JUMP) == ""


def test_what_has_no_bounds_is_never_in_doubt():
    assert doubt_of("steps_per_minute", -1) == ""
