"""Values in the units that people read, and the names of columns that hold them."""

import pytest

from devices.metrics import CANONICAL, METRICS, Units
from devices.units import shown_aggregates, shown_names, shown_row, shown_values, units_read

READ = units_read("mmol/L, [degF]")


@pytest.mark.parametrize(("mg_dl", "mmol_l"), [(54, 3.0), (70, 3.9), (180, 10.0), (250, 13.9)])
def test_glucose_is_what_the_guidelines_say(mg_dl: float, mmol_l: float) -> None:
    assert round(READ.of("mg/dL").value(mg_dl), 1) == mmol_l


def test_a_temperature_has_another_zero_and_a_difference_of_two_has_none() -> None:
    shown = READ.of("Cel")
    assert [shown.value(each) for each in (-40, 0, 37, 38.5)] == [-40, 32, 98.6, 101.3]
    assert shown.length(1) == 1.8


def test_what_nobody_reads_otherwise_stays() -> None:
    row = {"heart_rate": 70.0, "hrv_ms": 41.0, "posture": "lying", "event_id": "x", "flags": 3}
    assert shown_row(row, READ) == row
    assert shown_row({"skin_temp_c": 33.3}, CANONICAL) == {"skin_temp_c": 33.3}
    for metric in METRICS.values():
        assert CANONICAL.of(metric.unit).value(12.3456789) == 12.3456789


def test_a_column_is_named_for_its_unit() -> None:
    names = ["blood_glucose_mg_dl", "avg_skin_temp_c", "count_room_temp_c", "humidity_percent", "posture"]
    assert shown_names(names, READ) == [
        "blood_glucose_mmol_l", "avg_skin_temp_f", "count_room_temp_f", "humidity_percent", "posture",
    ]  # fmt: skip
    values = shown_values([*names[:3], "stddev_skin_temp_c"], READ)([180.156, 10, 10, 10])
    assert values == [10, 50, 10, 18]
    assert shown_values(["skin_temp_c"], READ)([None]) == [None]


def test_aggregates_are_converted_but_for_their_counts() -> None:
    found = {"skin_temp_c": {"count": 3, "avg": 30.0, "stddev": None}, "heart_rate": {"count": 3, "avg": 70.0}}
    assert shown_aggregates(found, READ) == {
        "skin_temp_f": {"count": 3, "avg": 86.0, "stddev": None},
        "heart_rate": {"count": 3, "avg": 70.0},
    }


def test_a_unit_that_no_metric_is_read_in_is_named() -> None:
    with pytest.raises(ValueError, match="K: there are mg/dL, Cel, mmol/L"):
        units_read("K")
    assert units_read("Cel").are_canonical
    assert Units().are_canonical
