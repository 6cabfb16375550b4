"""What screens get: the newest of each person, as the contract's event, four times a second at most."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest

from devices.doubts import doubts_of
from devices.metrics import METRICS, Flag
from devices.times import rfc3339
from ingestion.stream.live import Newest, vitals_of
from tests.ingestion.rows import frame, row

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def readings(*rows: dict[str, Any]) -> pl.DataFrame:
    """With whom they are of, and what they came from."""
    people = [f"person:{each['user_id']}" for each in rows]
    sources = pl.Series("device_sources", [each.pop("device_sources", None) for each in rows], dtype=pl.List(pl.String))
    return frame(*rows).with_columns(sources, username=pl.Series(people))


def spelled_out(reading: dict[str, Any]) -> dict[str, Any]:
    """The event, field by field."""
    groups: dict[str, dict[str, Any]] = {}
    for name, metric in METRICS.items():
        if reading[name] is not None:
            groups.setdefault(metric.group, {})[metric.field] = reading[name]
    return {
        "event_id": reading["event_id"],
        "timestamp": rfc3339(reading["recorded_at"]),
        "user_id": reading["username"],
        "device_sources": reading["device_sources"] or [],
        "flags": reading["flags"],
        **({"doubts": doubts_of(reading["flags"])} if doubts_of(reading["flags"]) else {}),
        **groups,
    }


def test_an_event_is_what_it_is_field_by_field():
    rows = readings(
        row(1),
        row(2, heart_rate=72.0, posture="seated", sleep_stage="rem", room_temp_c=-1e-7, spo2_percent=97.25),
        row(3, recorded_at=NOW.replace(microsecond=120_000), device_sources=["apple_watch", 'a "quoted" \\ größer']),
        row(4, recorded_at=NOW.replace(microsecond=123_456), device_sources=[], heart_rate=1e22),
        row(5, flags=int(Flag.SUSPECT_HEART_RATE | Flag.OUT_OF_ORDER), heart_rate=250.0),
    )
    found = vitals_of(rows)
    expected = [spelled_out(each) for each in rows.iter_rows(named=True)]
    assert [json.loads(text) for _, _, text in found] == expected
    assert [at for _, at, _ in found] == [each["timestamp"] for each in expected]
    assert [user for user, _, _ in found] == rows["user_id"].to_list()


@pytest.mark.parametrize("seed", range(20))
def test_it_is_so_whichever_metrics_everybody_sends_some_send_and_nobody_sends(seed: int):
    random = Random(seed)  # noqa: S311  # no secret
    shares = {name: random.choice([0, 0, 0.5, 1]) for name in METRICS}
    rows = readings(
        *(
            row(
                number,
                user_id=number,
                **{
                    name: "seated" if METRICS[name].is_text else round(random.uniform(0, 99), 1)
                    for name, share in shares.items()
                    if random.random() < share
                },
            )
            for number in range(random.choice([1, 2, 9]))
        )
    )
    expected = [spelled_out(each) for each in rows.iter_rows(named=True)]
    assert [json.loads(text) for _, _, text in vitals_of(rows)] == expected


def told(newest: Newest, at: datetime, **how: bool) -> list[tuple[int, float]]:
    found = newest.take(now=at, **how)
    return sorted((user, json.loads(text)["vitals"]["heart_rate"]) for user, _, text in found)


def spoke(newest: Newest, second: float, user_id: int, rate: float, **values: Any) -> None:
    at = NOW + timedelta(seconds=second)
    newest.add(readings(row(int(second * 100), user_id=user_id, recorded_at=at, heart_rate=rate, **values)))


def test_a_person_is_told_at_once_and_then_four_times_a_second():
    newest = Newest()
    spoke(newest, 0, 1, 60)
    assert told(newest, NOW) == [(1, 60)]
    spoke(newest, 0.1, 1, 61)
    spoke(newest, 0.1, 2, 80)
    assert told(newest, NOW + SECOND / 10) == [(2, 80)]
    spoke(newest, 0.2, 1, 62)
    assert told(newest, NOW + SECOND / 5) == []
    assert told(newest, NOW + SECOND / 4) == [(1, 62)]
    assert told(newest, NOW + SECOND) == []


def test_what_only_the_older_has_is_kept_and_the_newest_wins_whatever_came_last():
    newest = Newest()
    spoke(newest, 0, 1, 60)
    newest.take(now=NOW)
    spoke(newest, 0.2, 1, 62, spo2_percent=97.0)
    spoke(newest, 0.1, 1, 61, skin_temp_c=34.0)
    (vital,) = newest.take(now=NOW + SECOND)
    assert json.loads(vital[2])["vitals"] == {"heart_rate": 62.0, "spo2_percent": 97.0, "skin_temp_c": 34.0}


@pytest.mark.parametrize("seed", range(10))
def test_of_many_who_send_often_each_is_told_the_newest_of_every_metric(seed: int):
    random = Random(seed)  # noqa: S311  # no secret
    newest, rows = Newest(), []
    right: dict[int, dict[str, float]] = {}
    for number in range(200):
        chosen = [name for name in ("spo2_percent", "skin_temp_c") if random.random() < 0.1]
        values = dict.fromkeys(["heart_rate", *chosen], number / 100)
        user_id = random.choice([1, 2, 70_000])
        right[user_id] = right.get(user_id, {}) | values
        rows.append(row(number, user_id=user_id, recorded_at=NOW + number * SECOND, **values))
    newest.add(readings(*random.sample(rows, len(rows))))
    assert {user_id: json.loads(text)["vitals"] for user_id, _, text in newest.take(now=NOW)} == right


def test_late_readings_are_no_news():
    newest = Newest()
    spoke(newest, 0, 1, 60, flags=int(Flag.LATE))
    assert told(newest, NOW) == []


def test_while_we_catch_up_nobody_is_told_more_than_once_a_second():
    newest = Newest()
    spoke(newest, 0, 1, 60)
    assert told(newest, NOW, is_behind=True) == [(1, 60)]
    spoke(newest, 1, 1, 61)
    spoke(newest, 1, 2, 80)
    assert told(newest, NOW + SECOND / 2, is_behind=True) == []
    assert told(newest, NOW + SECOND, is_behind=True) == [(1, 61), (2, 80)]
