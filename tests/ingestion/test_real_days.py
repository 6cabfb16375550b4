"""Real recordings through the batch's transaction, in this process, as they came and as they might have come."""

import csv
import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from alerts.models import Alert
from devices.metrics import Flag
from devices.models import Reading
from ingestion.send.replay import Recorded, recording
from tests import real_files
from tests.alerts.feeding import load
from tests.ingestion.stream.test_pipeline import NOW, Shop
from tests.ingestion.test_real_data import episodes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
FITBIT = [real_files.EXCERPTS / "fitbit-days.csv.gz"]
FITBIT_EXPECTED = [real_files.EXCERPTS / "fitbit-days-expected.csv"]
FITBIT_RULES = real_files.EXCERPTS / "fitbit-rules"
MORNING = ("05-08T08", "05-08T09")
SENTINELS = ("heart_rate", "spo2_percent", "respiratory_rate")
DEFAULT_RULES = sorted((Path(__file__).parents[2] / "alerts" / "rules").glob("*.yaml"))
Events = list[Recorded]


def events(files: list[Path]) -> Events:
    """In the order of the files."""
    return [event for path in files for event in recording(path).events()]


def moment(event: Recorded) -> datetime:
    assert event.at is not None
    return event.at


def in_order(given: Events) -> Events:
    return sorted(given, key=moment)


def shuffled(given: Events, reach_s: float) -> Events:
    """As they arrive where each is up to `reach_s` under way."""
    chance = random.Random(reach_s)  # noqa: S311  # no secret
    return sorted(given, key=lambda event: moment(event).timestamp() + chance.uniform(0, reach_s))


def take(shop: Shop, given: Events, *, size: int, now: datetime = NOW, killed_after: int | None = None) -> None:
    """In batches of `size`; after that many batches the process is another, which knows nothing."""
    for number, at in enumerate(range(0, len(given), size)):
        shop.write(*(text(event).encode() for event in given[at : at + size]), now=now)
        if number == killed_after:
            shop.pipeline.drop_state()
        if number % 7 == 0:
            shop.judge_late(now=now)
    finish(shop, now=now)


def finish(shop: Shop, *, now: datetime) -> None:
    """What a consumer does that has caught up and leaves."""
    shop.judge_late(now=now)
    shop.detection.flush(at=now)


def text(event: Recorded) -> str:
    return event.event if isinstance(event.event, str) else event.event.decode()


def standing() -> list[tuple[Any, ...]]:
    """Every episode, with all that its readings made it."""
    return sorted(
        (a.rule.rule_id, a.user.username, a.started_at, a.opened_at, a.ended_at, str(a.settled_at), str(a.end),
         a.event_count, sorted((name, *sorted(measure.items())) for name, measure in a.measures.items()))
        for a in Alert.objects.standing().select_related("rule", "user")
    )  # fmt: skip


def of_person(name: str, given: Events) -> Events:
    return [replace(event, user_id=name, event=text(event).replace(event.user_id, name)) for event in given]


def theirs(name: str) -> list[tuple[Any, ...]]:
    return [(rule, *rest) for rule, who, *rest in standing() if who == name]


# A watch, all day


def load_fitbit_rules() -> None:
    load(*(path.read_text() for path in sorted(FITBIT_RULES.glob("*.yaml"))), when=LONG_AGO)


def expected() -> Counter[tuple[str, ...]]:
    """By rule, without whose they are."""
    lines = (list(row.values()) for path in FITBIT_EXPECTED for row in csv.DictReader(path.open()))
    return Counter((rule, *rest) for rule, _, *rest in lines)


def episodes_of(name: str) -> Counter[tuple[str, ...]]:
    found = episodes()
    return Counter({(rule, *rest): count for (rule, who, *rest), count in found.items() if who == name})


def test_a_watchs_days_give_the_expected_episodes_in_any_order_and_batches():
    load_fitbit_rules()
    days = in_order(events(FITBIT))
    for name, arrival, size, killed_after in (
        ("all_at_once", days, len(days), None),
        ("killed", days, 500, 6),
        ("minutes", shuffled(days, 600), 500, None),
        ("hours", shuffled(days, 3 * 3600), 700, 3),
        ("a_day_at_once", shuffled(days, 24 * 3600), len(days), None),
    ):
        take(Shop(), of_person(name, arrival), size=size, killed_after=killed_after)
        assert episodes_of(name) == expected(), name


def test_and_one_by_one():
    load_fitbit_rules()
    morning = [event for event in in_order(events(FITBIT)) if f"{moment(event):%m-%dT%H}" in MORNING][:60]
    there = Counter({each: count for each, count in expected().items() if each[1][5:13] in MORNING})
    assert sum(there.values()) == 3
    for name, arrival in (("in_order", morning), ("hours", shuffled(morning, 3 * 3600))):
        take(Shop(), of_person(name, arrival), size=1, killed_after=40)
        assert episodes_of(name) == there, name


# A strap that hands over its beats after the run


def load_run_rules() -> None:
    elevated = [path.read_text() for path in DEFAULT_RULES if path.stem == "elevated-heart-rate"]
    ten_minutes = (FITBIT_RULES / "hr-over-100-10m.yaml").read_text()
    one_minute = ten_minutes.replace("10m", "1m").replace("10M", "1M")
    load(ten_minutes, one_minute, *elevated, when=LONG_AGO)


def test_beats_that_come_hours_late_give_the_episodes_of_beats_that_came_in_time_and_page_nobody():
    load_run_rules()
    shop, run = Shop(), events(real_files.LATE)
    take(shop, of_person("late", run), size=500)
    take(shop, of_person("in_time", in_order(run)), size=500)
    assert theirs("late") == theirs("in_time")
    assert {rule for rule, *_ in theirs("late")} == {"elevated-heart-rate", "hr-over-100-1m"}
    assert set(Alert.objects.values_list("quiet", "quiet_reason")) == {(True, "late")}
    repeated = len(run) - len(set(map(text, run)))
    assert repeated >= 6
    assert Reading.objects.filter(user__username="late").count() == len(run) - repeated


def test_of_beats_that_come_as_the_run_ends_only_what_somebody_saw_in_time_is_loud():
    load_run_rules()
    shop, run, now = Shop(), of_person("late", events(real_files.LATE)), LONG_AGO
    for at in range(0, len(run), 300):
        batch = run[at : at + 300]
        now = max(now, *(moment(event) + timedelta(seconds=2) for event in batch))
        take(shop, batch, size=300, now=now)
    began = moment(run[0])  # the watch, whose readings came as they were taken; the strap's are of before as well
    before = Alert.objects.standing().filter(ended_at__lt=began)
    assert before.count() >= 2
    assert set(before.values_list("quiet_reason", "loud_at")) == {("late", None)}
    loud = Alert.objects.standing().filter(quiet=False)
    assert set(loud.values_list("rule__rule_id", flat=True)) == {"elevated-heart-rate", "hr-over-100-1m"}
    behind = [reading.flags & Flag.LATE for reading in Reading.objects.filter(recorded_at__lt=began)]
    assert behind
    assert all(behind)


# A bedside monitor that loses its signal


def blanked(event: Recorded) -> Recorded:
    """The same reading, what was not measured left out."""
    content = json.loads(text(event))
    content["vitals"] = {name: value for name, value in content["vitals"].items() if value}
    return replace(event, event=json.dumps(content))


def without_sensor_off(name: str) -> list[tuple[Any, ...]]:
    """The alerts that are not of a strap taken off, which the zeros do say."""
    return [alert for alert in theirs(name) if alert[0] != "sensor-off"]


def test_zeros_of_a_bedside_monitor_are_loss_of_signal_and_not_a_heart_that_stands_still():
    load(*(path.read_text() for path in DEFAULT_RULES), when=LONG_AGO)
    shop, monitor = Shop(), events(real_files.BEDSIDE)
    take(shop, of_person("zeros", monitor), size=500)
    take(shop, of_person("blank", [blanked(event) for event in monitor]), size=500)
    assert without_sensor_off("zeros") == without_sensor_off("blank") != []
    assert without_sensor_off("zeros") != theirs("zeros")
    readings = Reading.objects.filter(user__username="zeros")
    lost = {name: sum(json.loads(text(event))["vitals"].get(name) == 0 for event in monitor) for name in SENTINELS}
    for name, count in lost.items():
        assert count > 40
        assert readings.filter(**{f"{name}__isnull": True}).count() == count


# Glucose


READINGS = """
SELECT user_id, recorded_at AS at, event_id AS tie, blood_glucose_mg_dl::numeric AS value,
       blood_glucose_mg_dl < {limit} AS is_true
  FROM devices_reading WHERE blood_glucose_mg_dl IS NOT NULL
"""
TEN_MINUTES = """
SELECT user_id, date_bin('10 min', recorded_at, 'epoch') + interval '10 min' AS at, 0 AS tie,
       avg(blood_glucose_mg_dl::numeric) AS value, avg(blood_glucose_mg_dl::numeric) >= {limit} AS is_true
  FROM devices_reading WHERE blood_glucose_mg_dl IS NOT NULL GROUP BY 1, 2
"""
ISLANDS = """
WITH said AS (
  SELECT r.*, lag(at) OVER w AS before, lag(is_true) OVER w AS was_true, lead(at) OVER w IS NULL AS is_last,
         coalesce(lead(at) OVER w, as_of) AS until
    FROM ({rows}) r
    JOIN (SELECT user_id, max(recorded_at) AS as_of FROM devices_reading GROUP BY 1) t USING (user_id)
   WHERE at <= as_of
  WINDOW w AS (PARTITION BY user_id ORDER BY at, tie)
), numbered AS (
  SELECT *, count(*) FILTER (WHERE before IS NULL OR NOT was_true OR at > before + interval '20 min')
              OVER (PARTITION BY user_id ORDER BY at, tie) AS episode
    FROM said WHERE is_true
)
SELECT username, min(at), max(at), count(*), avg(round(value, 6))::float8, min(value)::float8, max(value)::float8,
       CASE WHEN max(until) > max(at) + interval '20 min' THEN 'gap'
            WHEN bool_or(is_last) THEN 'open' ELSE 'cleared' END
  FROM numbered JOIN devices_user u ON u.id = user_id GROUP BY username, episode ORDER BY 1, 2
"""


def by_sql(rows: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(ISLANDS.format(rows=rows))
        return [(*row[:4], *map(pytest.approx, row[4:7]), row[7]) for row in cursor.fetchall()]


def alerts_of(rule_id: str) -> list[tuple[Any, ...]]:
    alerts = Alert.objects.standing().filter(rule__rule_id=rule_id).select_related("user")
    assert all(alert.opened_at == alert.started_at for alert in alerts)
    return sorted(
        (a.user.username, a.started_at, a.ended_at, a.event_count, measure["avg"], measure["min"], measure["max"],
         a.end or "open") for a in alerts for measure in a.measures.values()
    )  # fmt: skip


def test_episodes_of_glucose_are_those_of_a_plain_query():
    load(*(path.read_text() for path in DEFAULT_RULES if "glyc" in path.stem or "sugar" in path.stem), when=LONG_AGO)
    weeks = events(real_files.GLUCOSE)
    take(Shop(), weeks, size=400, killed_after=3)
    for name in {event.user_id for event in weeks}:
        hours_late = shuffled([event for event in weeks if event.user_id == name], 5 * 3600)
        take(Shop(), of_person(f"late-{name}", hours_late), size=400, killed_after=3)
    for rule_id, rows in (
        ("hypoglycemia", READINGS.format(limit=70)),
        ("hypoglycemia-critical", READINGS.format(limit=54)),
        ("elevated-blood-sugar", TEN_MINUTES.format(limit=180)),
    ):
        assert alerts_of(rule_id) == by_sql(rows)
    assert len(alerts_of("hypoglycemia")) >= 10
    assert len(alerts_of("elevated-blood-sugar")) >= 10
