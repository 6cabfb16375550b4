"""Bad data: every way in which a producer can send what Telara must not store, or must store only once.

Each way names the code that the contract gives it; `duplicate` and `conflicting_duplicate` are good events sent twice
(the second time with another heart rate). Which events are spoilt, and how, follows from their ids.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

Code = Literal[
    "too_large", "malformed_json", "missing_field", "wrong_type", "bad_string", "bad_timestamp", "too_old",
    "future_timestamp", "out_of_range", "duplicate", "conflicting_duplicate",
]  # fmt: skip
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What is sent in place of one event: `values`, one or two messages; `way` says in words what is wrong."""

    code: Code
    way: str
    values: tuple[bytes, ...]


def _dump(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _with(group: str, name: str, value: object) -> Callable[[Event], bytes]:
    return lambda event: _dump(event | {group: event[group] | {name: value}})


def _top(name: str, value: object) -> Callable[[Event], bytes]:
    return lambda event: _dump(event | {name: value})


def _without(name: str) -> Callable[[Event], bytes]:
    return lambda event: _dump({key: value for key, value in event.items() if key != name})


def _pressures(systolic: int, diastolic: int) -> Callable[[Event], bytes]:
    pair = {"blood_pressure_systolic": systolic, "blood_pressure_diastolic": diastolic}
    return lambda event: _dump(event | {"vitals": event["vitals"] | pair})


_WAYS: Final[tuple[tuple[Code, str, Callable[[Event], bytes]], ...]] = (
    ("too_large", "70,000 bytes of padding", _top("padding", "x" * 70_000)),
    ("malformed_json", "an empty message", lambda _event: b""),
    ("malformed_json", "cut short", lambda event: _dump(event)[:-40]),
    ("malformed_json", "not UTF-8", lambda event: _dump(event).replace(b"vitals", b"vit\xff\xfels", 1)),
    ("malformed_json", "nested 30,000 deep", lambda _event: b"[" * 30_000 + b"]" * 30_000),
    ("malformed_json", "a stray bracket", lambda event: _dump(event) + b"]"),
    ("missing_field", "no event_id", _without("event_id")),
    ("missing_field", "no timestamp", _without("timestamp")),
    ("missing_field", "no user_id", _without("user_id")),
    ("wrong_type", "a heart rate in quotes", _with("vitals", "heart_rate", "72")),
    ("wrong_type", "a boolean as oxygen", _with("vitals", "spo2_percent", value=True)),
    ("wrong_type", "not a number", _with("vitals", "heart_rate", float("nan"))),
    ("wrong_type", "vitals as a list", _top("vitals", [72, 45])),
    ("wrong_type", "an event_id that is no UUID", _top("event_id", "reading-1")),
    ("wrong_type", "device_sources as a string", _top("device_sources", "apple_watch")),
    ("bad_string", "a user_id with a space", lambda event: _dump(event | {"user_id": "user 001"})),
    ("bad_string", "a user_id of 65 letters", _top("user_id", "u" * 65)),
    ("bad_string", "a control character in posture", _with("activity", "posture", "sea\u0000ted")),
    ("bad_timestamp", "a word for a time", _top("timestamp", "yesterday")),
    ("bad_timestamp", "a time without zone", lambda event: _dump(event | {"timestamp": event["timestamp"][:-1]})),
    ("bad_timestamp", "a time on the 30th of February", _top("timestamp", "2025-02-30T12:00:00Z")),
    ("too_old", "of 1999", _top("timestamp", "1999-12-31T23:59:59.000Z")),
    ("future_timestamp", "of 2199", _top("timestamp", "2199-01-01T00:00:00.000Z")),
    ("out_of_range", "a heart rate of 400", _with("vitals", "heart_rate", 400)),
    ("out_of_range", "diastolic above systolic", _pressures(80, 120)),
    ("out_of_range", "an unknown posture", _with("activity", "posture", "flying")),
    ("out_of_range", "a skin of -5 degrees", _with("vitals", "skin_temp_c", -5.0)),
)  # fmt: skip
WAYS: Final = tuple(way for _, way, _ in _WAYS)
CODES: Final = (*dict.fromkeys(code for code, _, _ in _WAYS), "duplicate", "conflicting_duplicate")


def chosen(frame: pl.DataFrame, probability: float) -> list[int]:
    """The rows of a frame of readings to spoil, so that any one is with that probability."""
    if not probability:
        return []
    draw = frame["event_id"].str.slice(24).str.to_integer(base=16) / 16**12
    return (draw < probability).arg_true().to_list()


def spoil(text: str) -> Spoilt:
    """Spoil one event, given as JSON, in a way that its id picks; every code is as likely as any other."""
    event: Event = json.loads(text)
    pick = int(event["event_id"][:8], 16)
    code = CODES[pick % len(CODES)]
    good = text.encode()
    if code == "duplicate":
        return Spoilt("duplicate", "sent twice", (good, good))
    if code == "conflicting_duplicate":
        return Spoilt("conflicting_duplicate", "sent again with a heart rate of 99.5", (good, _conflicting(event)))
    ways = [entry for entry in _WAYS if entry[0] == code]
    of_code, way, make = ways[pick // len(CODES) % len(ways)]
    return Spoilt(of_code, way, (make(event),))


def _conflicting(event: Event) -> bytes:
    return _with("vitals", "heart_rate", 99.5)(event)
