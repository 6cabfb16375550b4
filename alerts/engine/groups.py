"""What belongs together put side by side, and what each group of values comes to."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

MILLIONTHS: Final = 1_000_000
HALF: Final = (1 << 32) - 1
COUNT, SUM, LOW, HIGH = range(4)
_SELDOM: Final = 8  # one value in so many
_FEW: Final = 4  # values a group, on average: then all groups at once cost less than one after the other


def in_order(numbers: Ints) -> Places:
    """Whole numbers in order, equal ones as they come. Those that are near each other, as ids are, take a tenth of the
    time: numpy sorts 16 bits by their digits."""
    if len(numbers):
        least = numbers.min()
        if numbers.max() - least < 1 << 16:
            return np.argsort((numbers - least).astype(np.uint16), kind="stable")
    return np.argsort(numbers, kind="stable")


class Groups(NamedTuple):
    """Where each group begins, where its last value is, and its length. Of short ones `rounds` are the groups that have
    a second value, those that have a third, and so on; None where some are long."""

    starts: Places
    lasts: Places
    lengths: Ints
    rounds: list[Places] | None

    @classmethod
    def of(cls, key: Ints) -> "Groups":
        """Those of equal keys, which are side by side; at least one."""
        starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
        lasts = np.append(starts[1:], len(key)) - 1
        lengths = lasts - starts + 1
        if len(key) >= _FEW * len(starts) or int(lengths.max()) > 2 * _FEW:
            return cls(starts, lasts, lengths, None)
        return cls(
            starts, lasts, lengths, [np.flatnonzero(lengths > number) for number in range(1, int(lengths.max()))]
        )

    def sums(self, values: Ints) -> Ints:
        """Exact where each group's sum has 64 bits: what runs over on the way is taken off again."""
        if self.rounds is None:
            return np.add.reduceat(values, self.starts)
        sums: Ints = np.cumsum(values)[self.lasts]
        sums[1:] -= sums[:-1]
        return sums

    def bounds(self, values: Floats) -> tuple[Floats, Floats]:
        """The least and the greatest value of each; NaN is none."""
        if self.rounds is None:
            return np.fmin.reduceat(values, self.starts), np.fmax.reduceat(values, self.starts)
        least = values[self.starts]
        most = least.copy()
        for number, which in enumerate(self.rounds, start=1):
            more = values[self.starts[which] + number]
            least[which], most[which] = np.fmin(least[which], more), np.fmax(most[which], more)
        return least, most


def add_up(values: Floats, groups: Groups, sums: Ints, bounds: Floats) -> None:
    """Fill in what groups of `values` come to, by COUNT, SUM (in millionths), LOW and HIGH (halves of the squares), and
    the least and the greatest; NaN is no value."""
    has = ~np.isnan(values)
    there = np.count_nonzero(has)
    if there * _SELDOM < len(values):
        _add_up_few(values, np.flatnonzero(has), groups, sums, bounds)
        return
    exact = np.rint(values * MILLIONTHS)
    sums[COUNT] = groups.lengths
    if there < len(values):
        exact[~has] = 0
        sums[COUNT] = groups.sums(has.astype(np.int64))
    whole = exact.astype(np.int64)
    squares = whole * whole
    sums[SUM] = groups.sums(whole)
    sums[LOW] = groups.sums(squares & HALF)
    sums[HIGH] = groups.sums(squares >> 32)
    bounds[0], bounds[1] = groups.bounds(values)


def _add_up_few(values: Floats, there: Places, groups: Groups, sums: Ints, bounds: Floats) -> None:
    """The same where only some `values` are `there`, and most groups have none."""
    sums[:], bounds[:] = 0, np.nan
    if len(there):
        whose = np.searchsorted(groups.starts, there, side="right") - 1
        few = Groups.of(whose)
        own = np.empty((4, len(few.starts)), np.int64), np.empty((2, len(few.starts)))
        add_up(values[there], few, *own)
        sums[:, whose[few.starts]], bounds[:, whose[few.starts]] = own
