"""By which reading each window was completed: when it was received, and whether the window is fresh with it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from alerts.engine.clock import length, microseconds
from alerts.engine.rows import instants
from alerts.engine.windows import Ints
from devices.metrics import Flag

NEVER: Final = -(1 << 62)
_TIME: Final = pl.Datetime("us", "UTC")


class People(NamedTuple):
    """People in order of their number, and up to when their readings reached before a batch (`NEVER`: there were none)
    and reach after it, in microseconds since 1970 UTC."""

    user: Ints
    before: Ints
    after: Ints


def people_of(before: Mapping[int, datetime | None], new: pl.DataFrame) -> People:
    """The people of a batch of whom something is stored, once `new` is."""
    last = dict(new.group_by("user_id").agg(pl.max("recorded_at").dt.timestamp("us")).iter_rows())
    times = {user: NEVER if at is None else microseconds(at) for user, at in before.items()}
    found = sorted((user, at, max(at, last.get(user, NEVER))) for user, at in times.items())
    table = np.array([each for each in found if each[2] != NEVER], np.int64).reshape(-1, 3)
    return People(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())


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

    def added(self, windows: pl.DataFrame) -> pl.DataFrame:
        """With `received_at` and `fresh`: those of the reading that completed each; of an older window, which was there
        before or which an older reading makes, of all the older ones. A late reading in it leaves it never fresh."""
        end = instants(windows["recorded_at"])
        place = np.searchsorted(self._people.user, windows["user_id"].to_numpy())
        flags = windows["flags"].to_numpy()
        received, fresh = self._older_received[place], self._older_fresh[place]
        over = np.flatnonzero(end > self._people.before[place])
        by = np.searchsorted(self._reached, place[over] * self._span + np.maximum(end[over] - self._least, 0))
        received[over] = self._received[by]
        fresh[over] = self._fresh[by] & (self._at[by] - end[over] <= self._freshness)
        return windows.with_columns(
            pl.Series("received_at", received).cast(_TIME),
            pl.Series("fresh", fresh & (flags & Flag.LATE == 0)),
            pl.lit(None, pl.String).alias("event_id"),
        )
