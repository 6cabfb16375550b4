"""What is remembered of people for one kind of windows, and what a batch makes of it once it is committed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alerts.engine.windows import Bools, Ints, Steps, metrics_of, no_steps, steps_add, steps_together
from ingestion.evaluate.receipts import People

PEOPLE: Final = 1024  # neighbours by their number, of whom steps lie together: no more than theirs is copied at once


@dataclass(slots=True)
class Shard:
    """The last steps of those of `people` (in order) who are neighbours: of windows that are not over, and a little
    more of sliding ones. The arrays are nobody else's: they grow in place."""

    people: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    steps: Steps = field(default_factory=no_steps)

    def holds(self, people: Ints) -> Bools:
        """Of whom all steps are remembered."""
        return is_in(people, self.people)

    def take(self, change: "Change") -> None:
        if len(change.people):
            others = self.steps.without(change.people)
            theirs = change.steps if len(others.key) else change.steps.each(np.copy)
            self.steps = steps_together((others, theirs))
            if not self.holds(change.people).all():
                self.people = np.union1d(self.people, change.people)
        place, is_there = self.steps.places_of(change.more.key)
        if is_there.any():
            more = change.more.picked(is_there)
            self.steps = self.steps.with_metrics(metrics_of(self.steps, more))
            steps_add(self.steps, more, place[is_there])

    def forget(self, people: Ints) -> None:
        self.people = self.people[~is_in(self.people, people)]
        self.steps = self.steps.without(people)


@dataclass(slots=True)
class Memory:
    """Everybody's shards, by the numbers of their people."""

    metrics: tuple[str, ...]
    shards: dict[int, Shard] = field(default_factory=dict)

    def parts(self, people: People, steps: Steps) -> Iterator[tuple[int, People, Steps]]:
        """People and steps of theirs, as shards have them."""
        of_people, of_steps = people.user // PEOPLE, steps.user // PEOPLE
        numbers = np.unique(of_people)
        bounds = (np.searchsorted(of, numbers, side) for of in (of_people, of_steps) for side in ("left", "right"))
        for number, start, end, first, last in zip(numbers.tolist(), *(b.tolist() for b in bounds), strict=True):
            some = People(*(column[start:end] for column in people))
            yield number, some, steps.each(lambda column, of=slice(first, last): column[..., of])

    def shard(self, number: int) -> Shard:
        return self.shards.setdefault(number, Shard())

    def take(self, change: "Change") -> None:
        """Take over what a committed batch leaves; of people who were forgotten meanwhile nothing grows."""
        self.shard(change.number).take(change)

    def forget(self, people: Ints) -> None:
        for number in np.unique(people // PEOPLE).tolist():
            self.shard(number).forget(people)

    @property
    def nbytes(self) -> int:
        return sum(shard.steps.nbytes + shard.people.nbytes for shard in self.shards.values())


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a shard once a batch is committed: `people` (in order) have other `steps`, and to the steps of
    others comes `more`."""

    memory: Memory
    number: int
    people: Ints
    steps: Steps
    more: Steps


def is_in(some: Ints, ordered: Ints) -> Bools:
    """Which of some numbers are among others, which are in order."""
    if not len(ordered):
        return np.zeros(len(some), np.bool_)
    found: Bools = ordered[np.minimum(np.searchsorted(ordered, some), len(ordered) - 1)] == some
    return found
