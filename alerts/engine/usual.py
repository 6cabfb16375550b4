"""Baselines laid out for looking up: which set holds for a person at a time, and what it says of an hour."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from alerts.engine.rows import instants
from devices.metrics import BASELINED, METRICS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_HOUR_US: Final = 3_600_000_000
_QUARTER_S: Final = 900  # every clock of the world has gone by whole quarters since 1972
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Usual:
    """The sets of `user_id`, `valid_from`, `zone`, `metric`, `local_hour`, `median`, `mad`, in any order."""

    def __init__(self, baselines: pl.DataFrame) -> None:
        keys = ["user_id", "valid_from"]
        sets = baselines.select(*keys, "zone").unique(keys).sort(keys).with_row_index("set")
        self._users = sets["user_id"].unique().sort().to_numpy()
        self._user = np.searchsorted(self._users, sets["user_id"].to_numpy())
        begins = instants(sets["valid_from"])
        # One number for a person and a time, in their order; times outside are the nearest inside.
        self._least = int(begins.min()) if len(begins) else 0
        self._span = int(begins.max()) - self._least + 2 if len(begins) else 2
        self._key = self._user * self._span + (begins - self._least + 1)
        self._zone = sets["zone"].to_list()
        shape = (sets.height, len(BASELINED), 24)
        self._median, self._spread = np.full(shape, np.nan), np.full(shape, np.nan)
        placed = baselines.join(sets.select(*keys, "set"), on=keys).filter(pl.col("metric").is_in(BASELINED))
        metric = np.array([BASELINED.index(name) for name in placed["metric"]], np.int64)
        at = placed["set"].to_numpy(), metric, placed["local_hour"].to_numpy()
        floors = np.array([METRICS[name].mad_floor for name in BASELINED])
        self._median[at] = placed["median"].to_numpy()
        self._spread[at] = np.maximum(placed["mad"].to_numpy(), floors[metric])

    def of(self, rows: pl.DataFrame) -> "Holding":
        """What holds for each of `rows` (`user_id`, `recorded_at`)."""
        user, at = rows["user_id"].to_numpy(), instants(rows["recorded_at"])
        if len(self._users) == 0:
            return Holding(np.empty(0, np.int64), at[:0], at[:0], self._median, self._spread)
        place = np.minimum(np.searchsorted(self._users, user), len(self._users) - 1)
        key = place * self._span + np.clip(at - self._least + 1, 0, self._span - 1)
        found = np.searchsorted(self._key, key, side="right") - 1
        has = np.flatnonzero((found >= 0) & (self._users[place] == user) & (self._user[found] == place))
        return Holding(has, found[has], self._hours(found[has], at[has]), self._median, self._spread)

    def _hours(self, sets: Ints, at: Ints) -> Ints:
        """By the clock of each set's zone."""
        hours: Ints = at // _HOUR_US % 24
        zones = np.array(self._zone, dtype=object)[sets]
        for zone in set(zones.tolist()) - {"UTC"}:
            theirs = np.flatnonzero(zones == zone)
            quarters, where = np.unique(at[theirs] // (_QUARTER_S * 1_000_000), return_inverse=True)
            local = np.array([_hour(zone, quarter) for quarter in quarters.tolist()], np.int64)
            hours[theirs] = local[where]
        return hours


class Holding:
    """Median and spread of some rows (`has`, by place): those for which a set holds."""

    def __init__(self, has: Ints, sets: Ints, hours: Ints, median: Floats, spread: Floats) -> None:
        self._has, self._sets, self._hours = has, sets, hours
        self._median, self._spread = median, spread

    def z(self, values: Floats, metric: str, *, per_sigma: float) -> Floats:
        """`per_sigma` (x - median) / spread of each value; NaN where a part is missing."""
        place, found = BASELINED.index(metric), np.full(len(values), np.nan)
        median = self._median[self._sets, place, self._hours]
        spread = self._spread[self._sets, place, self._hours]
        found[self._has] = per_sigma * (values[self._has] - median) / spread
        return found


@lru_cache(maxsize=100_000)
def _hour(zone: str, quarter: int) -> int:
    return (_EPOCH + timedelta(seconds=quarter * _QUARTER_S)).astimezone(ZoneInfo(zone)).hour
