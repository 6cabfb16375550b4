"""Why an alert fired: each part over each reading that it keeps, and how the person was when it opened."""

from typing import Any

import pytest

from alerts.circumstances import circumstances_json
from alerts.explain import Explanation, explain, rule_of
from alerts.models import Alert
from devices.metrics import METRICS
from devices.models import Baseline, Reading
from tests.alerts.feeding import RACING, Feed, at, load, person_one, the_alert
from tests.ingestion.rows import frame, row

pytestmark = pytest.mark.django_db(transaction=True)
AT_REST = RACING.replace(
    "when: heart_rate > 100", "when: heart_rate > 100 AND activity_level < 10 AND steps_per_minute < 5"
)
PRESSURE = (
    RACING.replace("heart_rate > 100", "blood_pressure_systolic > 180 OR blood_pressure_diastolic > 120")
    .replace("{count: 3, within: 60s}", "{count: 1}")
    .replace("[heart_rate]", "[blood_pressure_systolic]")
)


def send(feed: Feed, *readings: dict[str, Any], now: float = 4000) -> None:
    """Readings as {"second": 0, "heart_rate": 120.0, ...}, in one batch."""
    person = person_one().pk
    rows = []
    for each in readings:
        values = {name: value for name, value in each.items() if name != "second"}
        moment = at(each["second"])
        number = int(each["second"] * 1000) + 10_000_000
        rows.append(row(number, user_id=person, recorded_at=moment, received_at=moment, **values))
    feed.write(frame(*rows), now=at(now))


def still(second: float, rate: float, **values: Any) -> dict[str, Any]:
    return {"second": second, "heart_rate": rate, "activity_level": 3.0, "steps_per_minute": 0.0} | values


def why(alert: Alert) -> Explanation:
    rule = rule_of(alert)
    assert rule is not None
    return explain(alert, rule)


def test_each_part_is_judged_over_the_readings_that_fired_and_the_one_before() -> None:
    load(AT_REST)
    send(Feed(), still(0, 99), still(5, 108), still(10, 112), still(15, 114))
    told = why(the_alert())
    assert [(part.text, part.asked, part.columns) for part in told.parts] == [
        ("heart_rate > 100", "> 100", ("heart_rate",)),
        ("activity_level < 10", "< 10", ("activity_level",)),
        ("steps_per_minute < 5", "< 5", ("steps_per_minute",)),
    ]
    assert told.joined_by == "AND"
    assert [(row.number, row.values["heart_rate"], row.verdicts) for row in told.rows] == [
        (1, 108, (True, True, True)), (2, 112, (True, True, True)), (3, 114, (True, True, True))
    ]  # fmt: skip
    assert told.before is not None
    assert (told.before.number, told.before.recorded_at, told.before.verdicts) == (0, at(0), (False, True, True))


def test_a_reading_that_says_nothing_to_the_rule_is_not_the_one_before() -> None:
    load(PRESSURE)
    send(Feed(), still(0, 99), {"second": 5, "blood_pressure_systolic": 190.0})
    assert why(the_alert()).before is None


def test_of_parts_joined_by_or_one_may_be_false_or_unknown() -> None:
    load(PRESSURE)
    send(
        Feed(),
        {"second": 0, "blood_pressure_systolic": 190.0, "blood_pressure_diastolic": 90.0},
        {"second": 5, "blood_pressure_systolic": 190.0},
    )
    told = why(the_alert())
    assert told.joined_by == "OR"
    assert [row.verdicts for row in told.rows] == [(True, False), (True, None)]
    assert [reading["verdicts"] for reading in told.as_json()["readings"]] == [["TRUE", "FALSE"], ["TRUE", "NULL"]]


def test_a_condition_of_one_part_is_its_own_part() -> None:
    load(RACING.replace("heart_rate > 100", "NOT (heart_rate BETWEEN 40 AND 100)"))
    send(Feed(), *(still(second, 120) for second in range(3)))
    told = why(the_alert())
    assert [(part.text, part.asked) for part in told.parts] == [("NOT (heart_rate BETWEEN 40 AND 100)",) * 2]
    assert [row.verdicts for row in told.rows] == [(True,)] * 3


def test_it_outlives_the_readings() -> None:
    load(AT_REST)
    send(Feed(), *(still(second, 120, posture="seated") for second in range(4)))
    alert = the_alert()
    before = why(alert)
    Reading.objects.all().delete()
    assert why(alert) == before
    assert circumstances_json(alert)["posture"] == "seated"


def test_the_first_and_last_readings_of_a_long_episode_keep_their_numbers() -> None:
    load(RACING)
    send(Feed(), *(still(second, 120) for second in range(50)))
    numbers = [row.number for row in why(the_alert()).rows]
    assert numbers == [*range(1, 21), *range(31, 51)]


def test_the_reading_that_opened_a_long_episode_is_kept() -> None:
    load(RACING.replace("{count: 3, within: 60s}", "{for: 30s}"))
    send(Feed(), *(still(second, 120 + second) for second in range(60)))
    rows = [row for row in why(the_alert()).rows if row.recorded_at == the_alert().opened_at]
    assert [(row.number, row.values["heart_rate"]) for row in rows] == [(31, 150)]


def test_a_newer_version_does_not_change_why_an_old_alert_fired() -> None:
    load(RACING)
    send(Feed(), *(still(second, 120) for second in range(3)))
    load(RACING.replace("> 100", "> 110"), when=at(5000))
    assert why(the_alert()).parts[0].text == "heart_rate > 100"


def test_a_version_that_cannot_be_read_has_no_rule() -> None:
    load(RACING)
    send(Feed(), *(still(second, 120) for second in range(3)))
    alert = the_alert()
    alert.rule_version = 9
    assert rule_of(alert) is None


# How the person was


def opened_after(*readings: dict[str, Any]) -> dict[str, Any]:
    load(RACING)
    send(Feed(), *readings, *(still(1000 + second, 120) for second in range(3)))
    return circumstances_json(the_alert())


def test_it_says_since_when_the_person_was_still() -> None:
    said = opened_after(still(0, 70), still(100, 70, steps_per_minute=80.0), still(105, 70), still(110, 70))
    assert (said["still_since"], said["still_at_least"]) == ("2026-03-01T12:01:45.000Z", False)


def test_one_who_moves_is_not_still() -> None:
    load(RACING)
    send(Feed(), *(still(second, 120, activity_level=60.0) for second in range(3)))
    assert circumstances_json(the_alert())["still_since"] is None


def test_one_who_was_still_for_as_long_as_is_looked_back_was_so_at_least() -> None:
    said = opened_after(still(-7000, 70), still(0, 70))
    assert (said["still_since"], said["still_at_least"]) == ("2026-03-01T12:00:00.000Z", True)


def test_posture_and_sleep_are_the_latest_of_ten_minutes() -> None:
    old, new = still(300, 70, posture="lying", sleep_stage="deep"), still(500, 70, posture="seated")
    said = opened_after(old, new)
    assert (said["posture"], said["sleep_stage"]) == ("seated", None)


def test_a_reading_after_the_opening_changes_nothing_of_it() -> None:
    load(RACING)
    feed = Feed()
    send(feed, *(still(second, 120) for second in range(3)))
    noted = the_alert().evidence["circumstances"]
    send(feed, still(20, 121, steps_per_minute=90.0), still(3000, 80))
    alert = the_alert()
    assert (alert.event_count, alert.episode) == (4, "ended")
    assert alert.evidence["circumstances"] == noted


def test_an_alert_that_opens_earlier_after_all_is_noted_anew() -> None:
    load(RACING)
    feed = Feed()
    send(feed, still(30, 70), still(60, 120), still(61, 120, steps_per_minute=90.0), still(62, 120))
    assert circumstances_json(the_alert())["still_since"] == "2026-03-01T12:01:02.000Z"
    send(feed, still(50, 120), still(45, 110))
    alert = the_alert()
    assert (alert.started_at, alert.opened_at) == (at(45), at(60))
    assert circumstances_json(alert)["still_since"] == "2026-03-01T12:00:30.000Z"


def test_suspect_readings_are_counted() -> None:
    load(RACING)
    flag = METRICS["heart_rate"].suspect_flag
    assert flag is not None
    send(Feed(), still(0, 120), still(1, 240, flags=int(flag)), still(2, 120))
    assert circumstances_json(the_alert())["suspect_count"] == 1


def test_a_reading_in_doubt_says_why():
    load(RACING)
    send(Feed(), still(0, 70.0), still(5, 160.0), still(10, 158.0), still(15, 159.0))
    told = why(the_alert())
    assert [row.doubts for row in told.rows] == [{"heart_rate": "jump"}, {}, {}]
    assert the_alert().evidence["suspect"] == 1


FAR = (
    RACING.replace("heart_rate > 100", "heart_rate_z > 4 AND heart_rate_rate > 5 AND not_worn = 0")
    .replace("{count: 3, within: 60s}", "{count: 1}")
    .replace("[heart_rate]", "[heart_rate, heart_rate_z]")
)


def test_the_reading_before_has_its_derived_columns_too() -> None:
    load(FAR)
    usual = [
        Baseline(user=person_one(), valid_from=at(-12 * 3600), zone="UTC", metric="heart_rate", local_hour=hour,
                 median=70, mad=5, values=500, days=9)
        for hour in range(24)
    ]  # fmt: skip
    Baseline.objects.bulk_create(usual)
    send(Feed(), still(0, 71), still(30, 72), still(60, 110))
    told = why(the_alert())
    assert told.before is not None
    assert told.before.recorded_at == at(30)
    assert told.before.values == {
        "heart_rate": 72, "heart_rate_z": pytest.approx(0.2698), "heart_rate_rate": pytest.approx(2), "not_worn": 0,
    }  # fmt: skip
    assert told.before.verdicts == (False, False, True)
    (fired,) = told.rows
    assert fired.values["heart_rate_rate"] == pytest.approx(76)
    assert fired.verdicts == (True, True, True)
