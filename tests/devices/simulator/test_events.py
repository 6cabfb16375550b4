"""Events are exactly those of the contract; spoilt ones are spoilt in the way they say."""

import json
from datetime import datetime
from uuid import UUID

import polars as pl

from devices.metrics import METRICS
from devices.simulator.events import encode
from devices.simulator.grid import Rate
from devices.simulator.people import people, wearer_ids
from devices.simulator.spoil import CODES, chosen, spoil
from devices.simulator.stream import Stretch, readings

NOON = 1_764_936_000_000
WHO = people(1, wearer_ids(12))
FRAME = readings(Stretch(WHO, Rate.of(1.0), NOON, NOON + 120_000))
TEXTS = encode(WHO, FRAME).to_list()


def test_an_event_holds_what_the_reading_holds():
    for text, row in zip(TEXTS, FRAME.iter_rows(named=True), strict=True):
        event = json.loads(text)
        UUID(event["event_id"])
        assert event["user_id"] == row["user_id"]
        assert datetime.fromisoformat(event["timestamp"]).timestamp() * 1000 == row["at_ms"]
        for name in METRICS.keys() & row.keys():
            assert event[METRICS[name].group][METRICS[name].field] == row[name]


def test_an_event_has_the_shape_of_the_contract():
    event = json.loads(TEXTS[0])
    assert list(event) == [
        "event_id", "timestamp", "user_id", "device_sources", "vitals", "activity", "sleep", "environment",
    ]  # fmt: skip
    assert event["timestamp"].endswith("Z")
    assert isinstance(event["vitals"]["heart_rate"], int)
    assert 1 <= len(event["device_sources"]) <= 16


def test_devices_do_not_change_from_event_to_event():
    worn = {(event["user_id"], tuple(event["device_sources"])) for event in map(json.loads, TEXTS)}
    assert len(worn) == 12


def test_about_the_asked_part_is_spoilt():
    assert 0.15 < len(chosen(FRAME, 0.2)) / len(FRAME) < 0.25
    assert chosen(FRAME, 0.0) == []
    assert len(chosen(FRAME, 1.0)) == len(FRAME)


def test_every_code_that_a_producer_can_cause_is_made_and_as_often_as_the_others():
    codes = pl.Series([spoil(text).code for text in TEXTS]).value_counts()
    assert set(codes[""]) == set(CODES)
    assert codes["count"].min() > len(TEXTS) / len(CODES) / 2
    assert set(CODES) == {
        "too_large", "malformed_json", "missing_field", "wrong_type", "bad_string", "bad_timestamp", "too_old",
        "future_timestamp", "out_of_range", "duplicate", "conflicting_duplicate",
    }  # fmt: skip


def test_duplicates_are_two_messages_and_all_else_is_one_that_differs():
    for text in TEXTS:
        spoilt = spoil(text)
        if spoilt.code == "duplicate":
            assert spoilt.values == (text.encode(), text.encode())
        elif spoilt.code == "conflicting_duplicate":
            assert spoilt.values[0] == text.encode() != spoilt.values[1]
        else:
            assert len(spoilt.values) == 1
            assert spoilt.values[0] != text.encode()


def test_an_event_is_spoilt_in_the_same_way_each_time():
    assert [spoil(text) for text in TEXTS[:100]] == [spoil(text) for text in TEXTS[:100]]
