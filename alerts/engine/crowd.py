"""What is remembered of many people at once.

Nearly everybody is quiet nearly always: nothing is pending, and no row of theirs that is remembered is TRUE. The last
rows of quiet people lie together, so that a batch with one row each of ten thousand people is a few operations on
arrays, and costs hardly more a row than one of a hundred people.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from alerts.engine.advance import FRESHNESS, Advance, advance_batch, is_quiet
from alerts.engine.rings import PEOPLE, Rings
from alerts.engine.rows import Batch, Bools, Ints, batch_of
from alerts.engine.ruleset import RuleSet
from alerts.engine.state import PersonState


class Times(NamedTuple):
    """People in ascending order, each once, and how far the time of each has come (microseconds since 1970 UTC)."""

    user: Ints
    at: Ints


NO_TIMES: Final = Times(np.empty(0, np.int64), np.empty(0, np.int64))


class Crowd:
    """The states of people under one set of rules, for whoever advances them batch by batch.

    `advance` leaves what is remembered as it is; `keep` takes its result over, once the caller has committed.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._others: dict[int, PersonState] = {}  # those who are not quiet
        self._begin()

    def advance(self, rows: pl.DataFrame, *, freshness: timedelta = FRESHNESS, as_of: Times = NO_TIMES) -> Advance:
        """As the function of this name."""
        batch = batch_of(self.rules, rows, freshness)
        follows = self._follows(batch)
        rest = batch.of(~follows)
        found = advance_batch(self.rules, self.get, rest, self._times_of(as_of, rest.users))
        return replace(found, followed=batch.of(follows))

    def keep(self, found: Advance) -> None:
        """Remember what a batch came to; nothing but `forget` may have happened since."""
        if found.followed is not None:
            self._append(found.followed)
        for user, state in found.states.items():
            if state.rules is self.rules and is_quiet(state):
                self._others.pop(user, None)
                self._lay_down(user, state)
            else:
                self._vacate(user)
                self._others[user] = state

    def get(self, user: int) -> PersonState | None:
        place = self._places.get(user)
        if place is None:
            return self._others.get(user)
        return self._rings[place // PEOPLE].get(place % PEOPLE)

    def as_of(self, user: int) -> int | None:
        """How far this person's time has come; None: nothing is remembered."""
        place = self._places.get(user)
        if place is not None:
            return int(self._rings[place // PEOPLE].as_of[place % PEOPLE])
        other = self._others.get(user)
        return None if other is None else other.as_of_us

    def pending(self) -> Iterator[tuple[int, PersonState]]:
        """Those of whom something is."""
        return ((user, state) for user, state in self._others.items() if state.runs)

    def forget(self, people: Iterable[int]) -> None:
        for user in people:
            self._others.pop(user, None)
            self._vacate(user)

    def drop(self) -> None:
        self._others.clear()
        self._begin()

    def under(self, rules: RuleSet) -> None:
        """Go on under other rules over the same source."""
        self._others |= {user: state for user in self._places if (state := self.get(user))}
        self.rules = rules
        self._begin()

    @property
    def size(self) -> int:
        """Bytes of the rows that are remembered."""
        others = (part.nbytes for state in self._others.values() for part in state.tail)
        return sum(rings.size for rings in self._rings) + sum(others)

    def _follows(self, batch: Batch) -> Bools:
        """Who is quiet and remains so: all of their rows are newer, and none is TRUE."""
        if not self._rings:
            return np.zeros(len(batch.users), np.bool_)
        places = self._places_of(batch.users)
        as_of = np.concatenate([rings.as_of for rings in self._rings])[places]
        follows: Bools = (batch.hot_starts == batch.hot_ends) & (batch.first > as_of) & (places >= 0)
        return follows

    # The places of quiet people.

    def _begin(self) -> None:
        self._rings: list[Rings] = []
        self._places: dict[int, int] = {}
        self._free: list[int] = []

    def _places_of(self, users: Ints) -> Ints:
        """-1: somebody who has none."""
        return np.fromiter(map(self._places.get, users.tolist(), repeat(-1)), np.int64, len(users))

    def _times_of(self, as_of: Times, users: Ints) -> Mapping[int, int]:
        """Of those to whom it matters that time passes: of quiet people that is who is one of `users`."""
        if not len(as_of.user):
            return {}
        matters: Bools = self._places_of(as_of.user) < 0
        if len(users):
            matters |= np.isin(as_of.user, users)
        return dict(zip(as_of.user[matters].tolist(), as_of.at[matters].tolist(), strict=True))

    def _append(self, batch: Batch) -> None:
        """Remember the rows of quiet people; who has been forgotten meanwhile is left out."""
        places = self._places_of(batch.users)
        for number, rings in enumerate(self._rings):
            here = places // PEOPLE == number
            if here.any():
                rings.append(places[here] % PEOPLE, batch.of(here))

    def _lay_down(self, user: int, state: PersonState) -> None:
        place = self._places.get(user)
        if place is None:
            place = self._free.pop() if self._free else len(self._places)
            if place == PEOPLE * len(self._rings):
                self._rings.append(Rings(self.rules))
            self._places[user] = place
        self._rings[place // PEOPLE].put(place % PEOPLE, state)

    def _vacate(self, user: int) -> None:
        place = self._places.pop(user, None)
        if place is not None:
            self._rings[place // PEOPLE].clear(place % PEOPLE)
            self._free.append(place)
