"""The verdict on a message: the columnar path and the exact one are of one mind, and the contract's codes hold."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from devices.metrics import METRICS
from ingestion.decode import columns
from ingestion.decode.columns import decode_columns as decode
from ingestion.decode.columns import frame_of
from ingestion.decode.exact import judge
from ingestion.decode.verdicts import Accepted, Code, Limits, Rejected, limits_of
from ingestion.stream.batch import EVENT_SCHEMA, Batch
from tests.ingestion.messages import message

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIMITS = Limits()
EVENT: dict[str, Any] = {
    "event_id": "0B9E1C1E-1111-4222-8333-444455556666",
    "timestamp": "2026-05-31T14:30:02.25Z",
    "user_id": "user_001",
    "device_sources": ["apple_watch", "oura_ring"],
    "vitals": {
        "heart_rate": 72, "hrv_ms": 45, "spo2_percent": 98, "skin_temp_c": 36.2, "respiratory_rate": 14,
        "blood_pressure_systolic": 120, "blood_pressure_diastolic": 80,
    },
    "activity": {"steps_per_minute": 0, "activity_level": 5, "calories_per_minute": 1.2, "posture": "seated"},
    "sleep": {"stage": None, "hours_last_night": 6.5},
    "environment": {"room_temp_c": 22, "humidity_percent": 45},
}  # fmt: skip


def batch_of(*payloads: bytes) -> Batch:
    received = pl.Series("received_at", [NOW] * len(payloads), dtype=pl.Datetime("us", "UTC"))
    return Batch(list(payloads), [], received, {})


def event(**changes: Any) -> dict[str, Any]:
    """The contract's event with fields replaced; `vitals={...}` and the other groups are merged into theirs."""
    merged = {name: EVENT[name] | value if isinstance(EVENT.get(name), dict) and isinstance(value, dict) else value
              for name, value in changes.items()}  # fmt: skip
    return EVENT | merged


def verdict(payload: Any) -> Accepted | Rejected:
    """Of one message, by both ways, which must agree."""
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    exact = judge(payload, received_at=NOW, limits=LIMITS)
    assert_same([payload])
    return exact


def assert_same(payloads: list[bytes]) -> None:
    """That the batch is decoded to exactly what the messages are judged to be one by one."""
    verdicts = {index: judge(payload, received_at=NOW, limits=LIMITS) for index, payload in enumerate(payloads)}
    decoded = decode(batch_of(*payloads), limits=LIMITS)
    accepted = {index: found for index, found in verdicts.items() if isinstance(found, Accepted)}
    assert decoded.rejected == {index: found for index, found in verdicts.items() if isinstance(found, Rejected)}
    assert decoded.unknown_fields == sum(found.unknown_fields for found in accepted.values())
    assert decoded.events.schema == EVENT_SCHEMA
    rows = zip(decoded.events.iter_rows(named=True), frame_of(accepted).iter_rows(named=True), strict=True)
    for row, expected in rows:
        assert _plain(row) == _plain(expected), payloads[expected["message"]]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row to compare; no sources and an empty list of them are the same."""
    return row | {"device_sources": row["device_sources"] or []}


@settings(max_examples=30, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**64))
def test_both_ways_give_one_verdict_and_the_same_values(seed: int):
    random = Random(seed)  # noqa: S311  # no secret
    payloads = [message(random) for _ in range(300)]
    readable = [payload for payload in payloads if _is_readable(payload)]
    assert len(readable) > 100
    assert_same(readable)  # all at once: these the columns judge, unless they pass them on
    assert_same(payloads[:9])


def _is_readable(payload: bytes) -> bool:
    """Whether polars reads it, and so does not drive its neighbours to the exact path."""
    try:
        pl.Series([payload]).cast(pl.String).str.json_decode(columns._JSON)
    except pl.exceptions.PolarsError:
        return False
    return True


def test_a_message_in_a_large_batch_is_judged_as_if_alone():
    good = [json.dumps(event(event_id=f"0b9e1c1e-0000-4000-8000-{n:012d}")).encode() for n in range(1000)]
    bad = {7: b"{", 400: b"", 401: b"\xff", 650: json.dumps(event(vitals={"heart_rate": "72"})).encode(), 999: b"[]"}
    decoded = decode(batch_of(*[bad.get(n, payload) for n, payload in enumerate(good)]), limits=LIMITS)
    assert {n: found.code for n, found in decoded.rejected.items()} == {
        7: Code.MALFORMED_JSON, 400: Code.MALFORMED_JSON, 401: Code.MALFORMED_JSON, 650: Code.WRONG_TYPE,
        999: Code.WRONG_TYPE,
    }  # fmt: skip
    assert decoded.events["message"].to_list() == [n for n in range(1000) if n not in bad]
    assert decoded.events["event_id"][7][-12:] == f"{8:012d}"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_plain_events_need_no_second_look(separators: tuple[str, str], monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("judged one by one")

    monkeypatch.setattr(columns, "judge", refuse)
    plain = [
        EVENT, event(user_id="12345"), {name: EVENT[name] for name in ("event_id", "timestamp", "user_id")},
        event(device_sources=None, vitals=None), event(device_sources=[]), event(user_id="a:b", activity={}),
    ]  # fmt: skip
    payloads = [json.dumps(each, separators=separators).encode() for each in plain]
    assert decode(batch_of(*payloads), limits=LIMITS).events.height == len(plain)


def test_the_contracts_event_is_read_to_the_letter():
    found = verdict(EVENT)
    assert isinstance(found, Accepted)
    assert found.event_id == EVENT["event_id"].lower()
    assert found.recorded_at == datetime(2026, 5, 31, 14, 30, 2, 250_000, tzinfo=UTC)
    assert found.device_sources == ("apple_watch", "oura_ring")
    assert found.values == EVENT["vitals"] | EVENT["activity"] | EVENT["environment"] | {"sleep_hours_last_night": 6.5}


REJECTED = {
    "too large": (json.dumps(event(note="x" * 65_536)).encode(), Code.TOO_LARGE, ""),
    "empty": (b"", Code.MALFORMED_JSON, ""),
    "broken": (b'{"event_id": ', Code.MALFORMED_JSON, ""),
    "not UTF-8": (b'{"a": "\xff"}', Code.MALFORMED_JSON, ""),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), Code.MALFORMED_JSON, ""),
    "30,000 deep": (b'{"a":' * 10_000 + b"[" * 15_000, Code.MALFORMED_JSON, ""),
    "a bare tab in a string": (b'{"user_id": "a\tb"}', Code.MALFORMED_JSON, ""),
    "no object": (b"[1]", Code.WRONG_TYPE, ""),
    "no event_id": (event(event_id=None, user_id=5), Code.MISSING_FIELD, "event_id"),
    "no timestamp": (event(timestamp=None, vitals=7), Code.MISSING_FIELD, "timestamp"),
    "no user_id": (event(user_id=None), Code.MISSING_FIELD, "user_id"),
    "an id that is no UUID": (event(event_id="reading-1"), Code.WRONG_TYPE, "event_id"),
    "a number as time": (event(timestamp=1_700_000_000), Code.WRONG_TYPE, "timestamp"),
    "a number as user": (event(user_id=12345), Code.WRONG_TYPE, "user_id"),
    "sources as text": (event(device_sources="ring"), Code.WRONG_TYPE, "device_sources"),
    "a number among sources": (event(device_sources=["a", 5]), Code.WRONG_TYPE, "device_sources"),
    "17 sources": (event(device_sources=["a"] * 17), Code.WRONG_TYPE, "device_sources"),
    "vitals as list": (event(vitals=[72]), Code.WRONG_TYPE, "vitals"),
    "a number as text": (event(vitals={"heart_rate": "72"}), Code.WRONG_TYPE, "vitals.heart_rate"),
    "a boolean": (event(vitals={"spo2_percent": True}), Code.WRONG_TYPE, "vitals.spo2_percent"),
    "NaN": (event(vitals={"hrv_ms": float("nan")}), Code.WRONG_TYPE, "vitals.hrv_ms"),
    "infinity": (event(vitals={"hrv_ms": float("inf")}), Code.WRONG_TYPE, "vitals.hrv_ms"),
    "1e999": (json.dumps(EVENT).replace(": 45,", ": 1e999,").encode(), Code.WRONG_TYPE, "vitals.hrv_ms"),
    "a number as posture": (event(activity={"posture": 3}), Code.WRONG_TYPE, "activity.posture"),
    "two wrong types": (event(activity={"posture": 3}, vitals={"hrv_ms": "x"}), Code.WRONG_TYPE, "vitals.hrv_ms"),
    "NUL in a user": (event(user_id="a\0b"), Code.BAD_STRING, "user_id"),
    "a space in a user": (event(user_id="user 001"), Code.BAD_STRING, "user_id"),
    "a user of 65 letters": (event(user_id="u" * 65), Code.BAD_STRING, "user_id"),
    "an empty user": (event(user_id=""), Code.BAD_STRING, "user_id"),
    "a control character in a time": (event(timestamp="2026-05-31T00:00:00Z\x00"), Code.BAD_STRING, "timestamp"),
    "a long source": (event(device_sources=["x" * 65]), Code.BAD_STRING, "device_sources"),
    "a control character in a source": (event(device_sources=["a\x9f"]), Code.BAD_STRING, "device_sources"),
    "a control character in posture": (event(activity={"posture": "sea\x00ted"}), Code.BAD_STRING, "activity.posture"),
    "a lone surrogate": (event(sleep={"stage": "\ud800"}), Code.BAD_STRING, "sleep.stage"),
    "no zone": (event(timestamp="2026-05-31T00:00:00"), Code.BAD_TIMESTAMP, "timestamp"),
    "a leap second": (event(timestamp="2026-05-31T23:59:60Z"), Code.BAD_TIMESTAMP, "timestamp"),
    "February 30": (event(timestamp="2026-02-30T00:00:00Z"), Code.BAD_TIMESTAMP, "timestamp"),
    "month 13 of year 0": (event(timestamp="0000-13-01T00:00:00Z"), Code.BAD_TIMESTAMP, "timestamp"),
    "five digits of a year": (event(timestamp="12345-01-01T00:00:00Z"), Code.BAD_TIMESTAMP, "timestamp"),
    "1999": (event(timestamp="1999-12-31T23:59:59.999999Z"), Code.TOO_OLD, "timestamp"),
    "year 0": (event(timestamp="0000-01-01T00:00:00Z"), Code.TOO_OLD, "timestamp"),
    "the first hour": (event(timestamp="0001-01-01T00:00:00+14:00"), Code.TOO_OLD, "timestamp"),
    "the last hour": (event(timestamp="9999-12-31T23:59:59-14:00"), Code.FUTURE_TIMESTAMP, "timestamp"),
    "a tick too far ahead": (event(timestamp="2026-06-01T00:05:00.000001Z"), Code.FUTURE_TIMESTAMP, "timestamp"),
    "a heart of 351": (event(vitals={"heart_rate": 350.1}), Code.OUT_OF_RANGE, "vitals.heart_rate"),
    "a heart below 1": (event(vitals={"heart_rate": 0.5}), Code.OUT_OF_RANGE, "vitals.heart_rate"),
    "crossed pressures": (event(vitals={"blood_pressure_diastolic": 120}), Code.OUT_OF_RANGE,
                          "vitals.blood_pressure_diastolic"),
    "an unknown posture": (event(activity={"posture": "flying"}), Code.OUT_OF_RANGE, "activity.posture"),
    "an unknown stage": (event(sleep={"stage": "SEM"}), Code.OUT_OF_RANGE, "sleep.stage"),
    "two out of range": (event(vitals={"hrv_ms": 501, "heart_rate": 400}), Code.OUT_OF_RANGE, "vitals.heart_rate"),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_a_bad_message_has_the_first_code_that_holds_and_its_field(name: str):
    message, code, field = REJECTED[name]
    assert verdict(message) == Rejected(code, field)


def test_every_code_that_a_message_alone_can_cause_is_tried():
    needs_a_database = {Code.UNKNOWN_USER, Code.STORAGE_REFUSED, Code.ERASED_USER}
    assert {code for _, code, _ in REJECTED.values()} == set(Code) - needs_a_database


@pytest.mark.parametrize(
    ("timestamp", "recorded_at"),
    [
        ("2026-05-31T02:00:00+02:00", datetime(2026, 5, 31, tzinfo=UTC)),
        ("2026-05-31t00:00:00z", datetime(2026, 5, 31, tzinfo=UTC)),
        ("2026-05-31T00:00:00.1234569Z", datetime(2026, 5, 31, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-05-31T00:00:00.1234569999999Z", datetime(2026, 5, 31, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2026-06-01T00:05:00Z", NOW + timedelta(minutes=5)),
    ],
)
def test_times_are_cut_to_microseconds_of_utc(timestamp: str, recorded_at: datetime):
    found = verdict(event(timestamp=timestamp))
    assert isinstance(found, Accepted)
    assert found.recorded_at == recorded_at


def test_what_lies_beyond_the_retention_is_too_old():
    limits = limits_of(30, now=NOW)
    payloads = [json.dumps(event(timestamp=at)).encode() for at in ("2026-05-03T00:00:00Z", "2026-05-01T00:00:00Z")]
    decoded = decode(batch_of(*payloads), limits=limits)
    assert decoded.rejected == {1: Rejected(Code.TOO_OLD, "timestamp")}
    assert limits_of(0, now=NOW).oldest == datetime(2000, 1, 1, tzinfo=UTC)


def test_bounds_are_inclusive_and_zero_oxygen_means_not_measured():
    for metric in METRICS.values():
        if metric.is_text or metric.name.startswith("blood_pressure"):
            continue
        low = metric.low if not metric.low_open else metric.low + 0.001
        for value, sound in ((low, True), (metric.high, True), (metric.high + 0.001, False), (metric.low - 1.5, False)):
            found = verdict(event(**{metric.group: {metric.field: value}}))
            expected = Accepted if sound else Rejected
            assert isinstance(found, expected), (metric.name, value, found)
    for name, value in (("heart_rate", 0), ("heart_rate", 255), ("spo2_percent", 0), ("respiratory_rate", 0)):
        assert isinstance(verdict(event(vitals={name: value})), Accepted)


def test_unknown_fields_are_left_out_and_counted():
    payload = json.dumps(event(mood="fine", vitals={"aura": {"blue": [1]}})).encode()
    decoded = decode(batch_of(payload), limits=LIMITS)
    assert decoded.unknown_fields == 2
    assert decoded.events.height == 1


MISPLACED: list[tuple[dict[str, Any], int]] = [
    ({"heart_rate": None}, 1),
    ({"vitals": {"stage": None, "hrv_ms": 45}}, 1),
    ({"activity": {"vitals": None, "user_id": None}}, 2),
    ({"activity": {"event_id": None}, "environment": {"posture": None, "sleep": None}}, 3),
    ({"sleep": None, "environment": {"stage": None}}, 1),
    ({"device_sources": ["a}b", "{"], "activity": {"sleep": None}, "environment": None}, 1),
    ({"sleep": {"stage": None}, "vitals": {"stage": None}}, 1),
    ({"device_sources": ["\u00fc\u65e5"], "sleep": {"stage": None}, "environment": None}, 0),
]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(("changes", "unknown"), MISPLACED)
def test_a_null_where_its_name_does_not_belong_is_an_unknown_field(
    changes: dict[str, Any], unknown: int, is_reversed: bool, separators: tuple[str, str]
):
    sparse = {name: EVENT[name] for name in ("event_id", "timestamp", "user_id")} | {"vitals": {"hrv_ms": 45}} | changes
    sent = dict(reversed(sparse.items())) if is_reversed else sparse
    found = verdict(json.dumps(sent, separators=separators, ensure_ascii=False).encode())
    assert isinstance(found, Accepted)
    assert found.unknown_fields == unknown


def test_of_doubled_keys_the_last_counts():
    text = json.dumps(EVENT).replace('"heart_rate": 72', '"heart_rate": 72, "heart_rate": 90')
    found = verdict(text.encode())
    assert isinstance(found, Accepted)
    assert found.values["heart_rate"] == 90


def test_a_null_after_a_value_counts_too():
    text = json.dumps(EVENT).replace('"heart_rate": 72', '"heart_rate": 72, "heart_rate": null')
    found = verdict(text.encode())
    assert isinstance(found, Accepted)
    assert "heart_rate" not in found.values


@pytest.mark.parametrize("where", [{"user_id": "a:null"}, {"device_sources": ["a:null"]}])
def test_a_null_inside_a_string_does_not_make_up_for_a_doubled_key(where: dict[str, Any]):
    text = json.dumps(event(**where), separators=(",", ":")).replace('"hrv_ms":45', '"hrv_ms":45,"hrv_ms":90')
    found = verdict(text.encode())
    assert isinstance(found, Accepted)
    assert found.values["hrv_ms"] == 90
