"""A backtest that somebody waits for: how far it is, and whether it is still wanted.

Kept in the cache, so that any web process can answer. Of one person one run counts at a time: a new one ends the last.
"""

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache

from devices.hashing import secret_hash

KEPT_S: Final = 120


class NotWantedError(Exception):
    """It was stopped, or another one was begun."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`share` of the way, 0 to 1, and up to where it got: a person's place of so many."""

    share: float
    person: int
    people: int


class Run:
    """A run of `owner` (a key) over `people` (keys) and [since, until); without `since` time counts for nothing."""

    def __init__(
        self, *, owner: int, name: str, people: Collection[int], since: datetime | None, until: datetime
    ) -> None:
        self._owner, self._name = owner, name
        self._people = sorted(people)
        self._since, self._until = since, until

    def begin(self) -> None:
        cache.set(_wanted(self._owner), self._name, KEPT_S)

    def watch(self, person: int, at: datetime) -> None:
        """Keep how far it is; raises NotWantedError."""
        if cache.get(_wanted(self._owner)) != self._name:
            raise NotWantedError
        place = bisect_left(self._people, person)
        share = (place + self._part(at)) / len(self._people)
        cache.set(_progress(self._owner, self._name), Progress(share, place + 1, len(self._people)), KEPT_S)

    def _part(self, at: datetime) -> float:
        length = self._until - self._since if self._since else timedelta(0)
        return min(1.0, (at - self._since) / length) if self._since and length else 0.0


def run_progress(*, owner: int, name: str) -> Progress | None:
    """How far that run is; None where it has not begun, or nobody remembers it."""
    found: Progress | None = cache.get(_progress(owner, name))
    return found


def run_stop(*, owner: int) -> None:
    """Let the run of `owner` end at its next piece."""
    cache.delete(_wanted(owner))


def _wanted(owner: int) -> str:
    return f"backtest:{owner}"


def _progress(owner: int, name: str) -> str:
    return f"backtest:{owner}:{secret_hash(name)}"  # whatever the page calls it
