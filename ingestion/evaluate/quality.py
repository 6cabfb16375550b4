"""What only a reading's neighbours tell: whether it is late, out of order, a jump or stuck; flagged once, on arrival.

A reading is judged against what the person's readings in order of time have said before it. One that is not newer than
all of those is out of order, or late where it is far behind: it is judged by nobody and judges nobody. So the flags do
not depend on how readings are cut into batches, and what is stored tells all that a restart needs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from alerts.engine.clock import length, moment
from alerts.engine.groups import in_order
from alerts.engine.rows import instants
from devices.metrics import METRICS, PACED, Flag
from devices.plausible import NEVER, Bools, Ints, Past, Values, judge
from ingestion.evaluate.past import pasts_stored
from ingestion.evaluate.receipts import NOBODY, People

LATE_AFTER: Final = timedelta(minutes=10)
_MOST_PEOPLE: Final = 1024  # room for so many, and twice as many whenever it is used up


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """What a judged batch leaves: how far the time of its `people` has come and, by metric, the past of those who sent
    it; with the places where that is remembered."""

    people: People
    places: Ints
    pasts: dict[str, tuple[Ints, Past]]


NO_ARRIVAL: Final = Arrival(NOBODY, np.empty(0, np.int64), {})


class Quality:
    """What is needed of each person's past: the greatest `recorded_at` that is stored, and the last values; read from
    the database where it is not known.

    `judge` leaves what it knows untouched; `keep` takes its result over, after the commit.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._free: list[int] = []  # places of people who were forgotten
        self._make_room(_MOST_PEOPLE)

    def judge(self, readings: pl.DataFrame) -> tuple[pl.DataFrame, Arrival]:
        """`readings` (COLUMNS, in order of arrival) with the flags that neighbours give, and what follows from them."""
        if readings.is_empty():
            return readings, NO_ARRIVAL
        users = readings["user_id"].to_numpy()
        order = in_order(users)
        people, begins, who = _grouped(users[order])
        places = self._places_of(people)
        at = instants(readings["recorded_at"])[order]
        newest = self._newest[places]
        after, before = _so_far(who, at, begins, newest)
        is_newer = at > before
        behind = np.where(at < before - length(LATE_AFTER), int(Flag.LATE), int(Flag.OUT_OF_ORDER))
        flags = np.where(is_newer, 0, behind)
        pasts = {}
        for name in PACED:
            if readings[name].null_count() == len(order):
                continue
            value = readings[name].to_numpy()[order]
            there = np.flatnonzero(~np.isnan(value) & is_newer)
            if there.size:
                whose, _, own = _grouped(who[there])
                past = self._pasts[name].take(places[whose])
                jumps, stuck, after_them = judge(Values(own, at[there], value[there]), past, METRICS[name])
                pasts[name] = places[whose], after_them
                if jumps.any() or stuck.any():
                    flags[there] |= _said(name, jumps, stuck)
        return _flagged(readings, order, flags), Arrival(People(people, newest, after), places, pasts)

    def watermark(self, user_id: int) -> datetime:
        """How far the time of a person has come of whom readings were kept."""
        return moment(int(self._newest[self._places[user_id]]))

    def keep(self, arrival: Arrival) -> None:
        self._newest[arrival.places] = arrival.people.after
        for name, (places, past) in arrival.pasts.items():
            self._pasts[name].put(places, past)

    def forget(self, people: Iterable[int]) -> None:
        self._free += [self._places.pop(user_id) for user_id in people if user_id in self._places]

    def drop(self) -> None:
        self._places.clear()
        self._free.clear()
        self._make_room(_MOST_PEOPLE)

    def _make_room(self, people: int) -> None:
        self._newest: Ints = np.full(people, NEVER)
        self._pasts = {name: Past.unknown(people) for name in PACED}

    def _places_of(self, people: Ints) -> Ints:
        users = people.tolist()
        places = list(map(self._places.get, users))
        if None in places:
            self._read([user_id for user_id in users if user_id not in self._places])
            places = list(map(self._places.get, users))
        return np.array(places, np.int64)

    def _read(self, missing: list[int]) -> None:
        """Places for people who have none, with what is stored of them."""
        used = len(self._places) + len(self._free)
        if used + len(missing) > len(self._newest):
            newest, pasts = self._newest, self._pasts
            self._make_room(2 * (used + len(missing)))
            self._newest[: len(newest)] = newest
            for name, past in pasts.items():
                self._pasts[name].put(np.arange(len(newest)), past)
        again, self._free = self._free[: len(missing)], self._free[len(missing) :]
        places = np.array([*again, *range(used, used + len(missing) - len(again))], np.int64)
        self._newest[places], stored = pasts_stored(missing)
        for name, past in stored.items():
            self._pasts[name].put(places, past)
        self._places |= dict(zip(missing, places.tolist(), strict=True))


def _grouped(users: Ints) -> tuple[Ints, Ints, Ints]:
    """Each person once, where their rows begin, and of each row the number of its person; `users` is sorted."""
    begins = np.flatnonzero(np.concatenate([[True], users[1:] != users[:-1]]))
    who = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(users)))
    return users[begins], begins, who


def _so_far(who: Ints, at: Ints, begins: Ints, newest: Ints) -> tuple[Ints, Ints]:
    """The newest time of each person after these rows, and before each row."""
    before = np.empty_like(at)
    before[1:] = at[:-1]
    before[begins] = newest
    last = np.append(begins[1:], len(at)) - 1
    if (at > before).all():
        return at[last], before
    at_first = at.copy()
    at_first[begins] = np.maximum(at_first[begins], newest)
    rows = pl.DataFrame({"who": who, "at": at_first})
    so_far = rows.select(pl.col("at").cum_max().over("who")).to_series().to_numpy()
    before[1:] = so_far[:-1]
    before[begins] = newest
    return so_far[last], before


def _said(name: str, jumps: Bools, stuck: Bools) -> Ints:
    """The flags of the values of a metric: the reason, and with it the metric's own doubt."""
    metric = METRICS[name]
    doubt = int(metric.suspect_flag or 0)
    return jumps * (int(metric.jump_flag or 0) | doubt) | stuck * (int(metric.stuck_flag or 0) | doubt)


def _flagged(readings: pl.DataFrame, order: Ints, flags: Ints) -> pl.DataFrame:
    """`readings` with `flags`, which are in the sequence of `order`, beside those that they have."""
    if not flags.any():
        return readings
    arrived = np.empty_like(flags)
    arrived[order] = flags
    return readings.with_columns(pl.col("flags") | pl.Series("flags", arrived))
