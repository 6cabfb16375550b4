"""At most four events a second a person; what comes in between is merged into the next. Pure: time is an argument."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from devices.live import Vital

LEAST_GAP_S: Final = 0.25
Event = dict[str, Any]


class Coalescer:
    """Holds back the newest event of each person until it is due. The newest `timestamp` wins, whatever the order."""

    def __init__(self) -> None:
        self._owed: dict[int, Vital] = {}
        self._sent: dict[int, float] = {}

    def add(self, vitals: Iterable[Vital]) -> None:
        """Take over events."""
        for user, at, text in vitals:
            owed = self._owed.get(user)
            self._owed[user] = (user, at, text) if owed is None else _both(owed, (user, at, text))

    def take(self, *, now: float) -> list[tuple[int, str]]:
        """The events (JSON), each with the key of its person, that are due at `now` (seconds, monotonic)."""
        due = [user for user in self._owed if now - self._sent.get(user, now - LEAST_GAP_S) >= LEAST_GAP_S]
        self._sent |= dict.fromkeys(due, now)
        return [(user, self._owed.pop(user)[2]) for user in due]


def _both(one: Vital, other: Vital) -> Vital:
    events = (msgspec.json.decode(text) for _, _, text in (one, other))
    return one[0], max(one[1], other[1]), msgspec.json.encode(merged(*events)).decode()


def merged(one: Event, other: Event) -> Event:
    """The newer of two events, with those values of the older that it lacks: a cuff speaks once an hour."""
    older, newer = (one, other) if one["timestamp"] <= other["timestamp"] else (other, one)
    groups = {name: older[name] | newer.get(name, {}) for name in older if isinstance(older[name], dict)}
    return newer | groups
