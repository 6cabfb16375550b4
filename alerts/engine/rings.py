"""The last rows of quiet people, of whom nothing is pending and no row that is remembered is TRUE: a ring for each."""

from typing import Final

import numpy as np

from alerts.engine.advance import rows_kept
from alerts.engine.rows import AT, WORDS, Batch, Ints, Rows, no_rows
from alerts.engine.ruleset import RuleSet
from alerts.engine.state import PersonState, new_person

PEOPLE: Final = 1024


class Rings:
    """Places for so many people, in one table that never grows."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._size = rows_kept(rules)
        self._table: Ints = np.empty((PEOPLE, self._size, WORDS + rules.words), np.int64)
        self._total = np.zeros(PEOPLE, np.int64)  # rows that ever came to a place
        self._reach = np.zeros(PEOPLE, np.int64)
        self.as_of = np.zeros(PEOPLE, np.int64)

    def append(self, places: Ints, batch: Batch) -> None:
        """The rows of each person of a batch to the ring at their place, over the oldest."""
        table, total, size = batch.rows.table, self._total[places], self._size
        count = batch.ends - batch.starts
        is_many = count > size  # more than are kept: the last that is not is one of them
        is_over = (total + count > size) & ~is_many
        self._reach[places[is_many]] = table[batch.ends[is_many] - size - 1, AT]
        self._reach[places[is_over]] = self._table[places[is_over], (total + count - 1)[is_over] % size, AT]
        skipped = np.maximum(count - size, 0)
        begins, lengths = total + skipped, count - skipped
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ring = (np.repeat(begins, lengths) + within) % size
        self._table[np.repeat(places, lengths), ring] = table[np.repeat(batch.starts + skipped, lengths) + within]
        self._total[places] = total + count
        self.as_of[places] = batch.last

    def put(self, place: int, state: PersonState) -> None:
        table = state.tail.table
        gone = max(0, len(table) - self._size)
        self._total[place] = len(table) - gone
        self._table[place, : len(table) - gone] = table[gone:]
        self._reach[place] = table[gone - 1, AT] if gone else state.reach
        self.as_of[place] = state.as_of_us

    def get(self, place: int) -> PersonState:
        total = int(self._total[place])
        ring = np.arange(max(0, total - self._size), total) % self._size
        rows = Rows(self._table[place, ring], no_rows(self._rules).values)
        as_of, reach = int(self.as_of[place]), int(self._reach[place])
        return new_person(self._rules)._replace(as_of_us=as_of, reach=reach, tail=rows)

    def clear(self, place: int) -> None:
        self._total[place] = 0

    @property
    def size(self) -> int:
        """Bytes of the rows that are remembered."""
        return int(np.minimum(self._total, self._size).sum()) * int(self._table[0, 0].nbytes)
