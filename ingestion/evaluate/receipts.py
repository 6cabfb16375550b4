"""By which reading each window was completed: when it was received, and whether the window is fresh with it."""

from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from alerts.engine.clock import length
from alerts.engine.rows import instants
from alerts.engine.source import Window
from alerts.engine.windows import Ints, Steps, ends_of
from devices.metrics import Flag
from devices.plausible import NEVER

_TIME: Final = pl.Datetime("us", "UTC")


class People(NamedTuple):
    """People in order of their number, and up to when their readings reached before a batch (`NEVER`: there were none)
    and reach after it, in microseconds since 1970 UTC."""

    user: Ints
    before: Ints
    after: Ints


NOBODY: Final = People(*(np.empty(0, np.int64) for _ in People._fields))


class Receipts:
    """What the readings of a batch, `new` in order of arrival, say of the windows that they complete or change."""

    def __init__(self, new: pl.DataFrame, people: People, freshness: timedelta) -> None:
        self._people = people
        self._freshness = length(freshness)
        at, received = instants(new["recorded_at"]), instants(new["received_at"])
        flags = new["flags"].cast(pl.Int64).to_numpy()
        fresh = (flags & Flag.LATE == 0) & (received - at <= self._freshness)
        place = np.searchsorted(people.user, new["user_id"].to_numpy())
        # One number for a person and a time, in their order; a reading that is beyond all before it completes windows.
        self._least = int(at.min()) if len(at) else 0
        self._span = int(at.max()) - self._least + 1 if len(at) else 1
        order = np.argsort(place, kind="stable")
        reached = (place * self._span + (at - self._least))[order]
        is_first = np.ones(len(reached), np.bool_)
        is_first[1:] = reached[1:] > np.maximum.accumulate(reached)[:-1]
        first = order[is_first]
        self._reached, self._at, self._received, self._fresh = (
            reached[is_first],
            at[first],
            received[first],
            fresh[first],
        )
        older = at < people.before[place]
        self._older_received = np.full(len(people.user), NEVER)
        self._older_fresh = np.ones(len(people.user), np.bool_)
        if older.any():
            np.maximum.at(self._older_received, place[older], received[older])
            np.logical_and.at(self._older_fresh, place[older], fresh[older])

    def of(self, windows: Steps, window: Window) -> dict[str, Any]:
        """`received_at` and `fresh`: those of the reading that completed each; of an older window, which there was
        before or which an older reading makes, of all the older ones. A late reading in it leaves it never fresh."""
        end = ends_of(windows, window)
        place = np.searchsorted(self._people.user, windows.user)
        received, fresh = self._older_received[place], self._older_fresh[place]
        over = np.flatnonzero(end > self._people.before[place])
        by = np.searchsorted(self._reached, place[over] * self._span + np.maximum(end[over] - self._least, 0))
        received[over] = self._received[by]
        fresh[over] = self._fresh[by] & (self._at[by] - end[over] <= self._freshness)
        return {"received_at": pl.Series(received).cast(_TIME), "fresh": fresh & (windows.flags & Flag.LATE == 0)}
