"""A stream in which every invariant can fail: people whose hearts race now and then, in disorder, partly late, partly
sent twice, and now and then nonsense."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

SPAN_S = 1260  # of event time; longer than what makes a reading late
CALM_S = 240  # at the end, so that no episode is left open
LATE_AFTER = timedelta(minutes=10)
NONSENSE: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "malformed_json": lambda event: json.dumps(event).encode()[:-7],
    "missing_field": lambda event: json.dumps(event | {"event_id": None}).encode(),
    "wrong_type": lambda event: json.dumps(event | {"vitals": {"heart_rate": "72"}}).encode(),
    "bad_timestamp": lambda event: json.dumps(event | {"timestamp": "yesterday"}).encode(),
    "out_of_range": lambda event: json.dumps(event | {"vitals": {"heart_rate": 900}}).encode(),
}

Identity = tuple[str, datetime, UUID]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send; `identity` is None where it is to be refused, for `reason`."""

    key: str
    value: bytes
    identity: Identity | None = None
    heart_rate: float = 0.0
    reason: str = ""


def traffic(tag: str, *, people: int = 6, every_s: int = 3, is_repeated: bool = True) -> list[Message]:
    """Twenty-one minutes until now of people named after `tag`, in order of arrival.

    Where nothing `is_repeated`, readings go another way into the database: straight into their table.
    """
    random = Random(tag)  # noqa: S311  # no secret
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=SPAN_S)
    arriving: list[tuple[float, Message]] = []
    for second in range(0, SPAN_S, every_s):
        for person in range(people):
            event = _event(f"{tag}-{person}", second, person, start)
            arriving += _as_sent(event, second + random.uniform(0, 1), random, is_repeated=is_repeated)
    arriving.sort(key=lambda item: item[0])
    return [message for _, message in arriving]


def _event(name: str, second: int, person: int, start: datetime) -> dict[str, Any]:
    is_calm = second >= SPAN_S - CALM_S
    rate = 70 if is_calm else round(97 + 22 * math.sin((second + 61 * person) / 40))
    return event_of(name, rate, start + timedelta(seconds=second, milliseconds=person))


def event_of(name: str, heart_rate: float, at: datetime) -> dict[str, Any]:
    """A reading of a person, with the id that this person's reading of this moment has."""
    return {
        "event_id": str(uuid5(NAMESPACE_URL, f"{name} {at.isoformat()}")),
        "timestamp": at.isoformat(),
        "user_id": name,
        "device_sources": ["apple_watch"],
        "vitals": {"heart_rate": heart_rate},
    }


def _as_sent(event: dict[str, Any], at: float, random: Random, *, is_repeated: bool) -> list[tuple[float, Message]]:
    """When an event arrives, how often, and what comes with it."""
    luck = random.random()
    if luck < 0.03:
        at += LATE_AFTER.total_seconds() + random.uniform(30, 200)
    elif luck < 0.15:
        at += random.uniform(5, 45)
    sent = [(at, sound(event))]
    if is_repeated and luck > 0.96:
        sent.append((at + random.uniform(0.1, 300), sound(event)))
    if is_repeated and luck > 0.99:
        other = event | {"vitals": {"heart_rate": event["vitals"]["heart_rate"] + 3}}
        sent.append((at + random.uniform(0.1, 300), sound(other)))
    if 0.5 < luck < 0.52:
        reason = random.choice(list(NONSENSE))
        sent.append((at, refused(event, reason)))
    return sent


def sound(event: dict[str, Any]) -> Message:
    """An event that is to be stored, or is there already."""
    identity = (event["user_id"], datetime.fromisoformat(event["timestamp"]), UUID(event["event_id"]))
    return Message(event["user_id"], json.dumps(event).encode(), identity, event["vitals"]["heart_rate"])


def refused(event: dict[str, Any], reason: str) -> Message:
    """The event, spoilt so that it is refused for `reason`."""
    return Message(event["user_id"], NONSENSE[reason](event), reason=reason)
