"""Windows: complete when time has passed their end, made anew when a reading comes late.

Of each person what the readings of the windows that are not over yet add up to is remembered, so that what arrives in
order is never read back. Windows that an older reading falls into are put together again from what is stored. In
most batches most people are in the midst of a step: theirs only grows, once the batch is committed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from alerts.engine import Window
from alerts.engine.clock import length, microseconds, moment
from alerts.engine.windows import (
    Bools,
    Ints,
    Steps,
    key_of,
    no_steps,
    step_in,
    steps_added,
    steps_coarser,
    steps_of,
    steps_together,
    user_in,
    windows_frame,
    windows_over,
)
from alerts.stored_rows import rows_within, times_of
from devices.metrics import NUMERIC, Flag
from devices.plausible import NEVER
from ingestion.evaluate.late import Span
from ingestion.evaluate.receipts import People, Receipts
from ingestion.evaluate.window_memory import Change, Memory, Shard

MINUTE: Final = Window(timedelta(minutes=1), timedelta(minutes=1))
READ_AT_ONCE: Final = 64  # stretches of people
DISORDER: Final = timedelta(minutes=10)  # sliding windows are made anew in memory for readings as far behind as this
Wanted = Mapping[Window, Sequence[str]]  # windows that rules see, and the metrics that these read of them
Read = Callable[[Sequence[int], Sequence[datetime], Sequence[datetime | str]], pl.DataFrame]
_TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Completed:
    """The windows that a batch completed or changed, as rows that `alerts.engine.advance` takes, and what is to be
    remembered of each kind once it is committed."""

    found: dict[Window, pl.DataFrame] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


class _Places(NamedTuple):
    """Of each person in order the step that ran before (`NEVER`: nothing was stored), the last one that is over now,
    and whether the steps between are remembered."""

    user: Ints
    current: Ints
    last: Ints
    is_known: Bools

    def of(self, steps: Steps) -> Ints:
        """The place of each step's person."""
        return np.searchsorted(self.user, steps.user)


class Windows:
    """Makes complete windows: every minute with all of `metrics`, and what rules see. What it remembers is a cache:
    dropping it costs time alone. `read` says where readings lie. What is found is the caller's to store."""

    def __init__(
        self,
        *,
        freshness: timedelta,
        metrics: Sequence[str] = NUMERIC,
        read: Read = rows_within,
    ) -> None:
        self._freshness = freshness
        self._metrics = tuple(metrics)
        self._read = read
        self._memory: dict[Window, Memory] = {}

    def complete(self, new: pl.DataFrame, *, people: People, wanted: Wanted | None = None) -> Completed:
        """The windows that `new` (in order of arrival), readings of some of `people`, complete or change; inside the
        transaction that stores them."""
        self._want(wanted or {})
        minutes = steps_of(new, MINUTE.every, self._metrics)
        over: dict[Window, Steps] = {}
        changes: list[Change] = []
        for window, memory in self._memory.items():
            found = [no_steps()]
            for number, some, steps in memory.parts(people, self._steps_of(new, minutes, window, memory.metrics)):
                over_now, change = self._complete_part(window, memory, number, steps, some)
                found.append(over_now)
                changes.append(change)
            over[window] = steps_together(found)
        return Completed(self._received(over, new, people), changes)

    def pass_time(self, before: Mapping[int, datetime], *, at: datetime, wanted: Wanted) -> dict[Window, pl.DataFrame]:
        """The windows of people of whom nothing came, that are over by our clock; `before` is up to when theirs were
        complete. Inside a transaction."""
        self._want(wanted)
        user = np.array(sorted(before), np.int64)
        since = np.array([microseconds(before[each]) for each in sorted(before)], np.int64)
        people = People(user, since, np.full(len(user), microseconds(at)))
        over = {}
        for window, memory in self._memory.items():
            parts = memory.parts(people, no_steps())
            found = [self._complete(window, memory, number, steps, some)[0] for number, some, steps in parts]
            frame = windows_frame(steps_together((no_steps(), *found)), window, memory.metrics)
            over[window] = _made_at(frame, at).with_columns(fresh=pl.lit(False))  # noqa: FBT003
        return over

    def again(self, spans: Mapping[int, Span], *, at: datetime, wanted: Wanted) -> dict[Window, pl.DataFrame]:
        """The complete windows of these stretches, put together again from what is stored; inside a transaction, after
        which these people are to be forgotten."""
        self._want(wanted)
        is_fresh = pl.col("flags") & Flag.LATE == 0  # nothing late lies in it: what it was before stands
        found = {
            window: windows_frame(self._anew(window, memory.metrics, spans), window, memory.metrics)
            for window, memory in self._memory.items()
        }
        return {window: _made_at(rows, at).with_columns(fresh=is_fresh) for window, rows in found.items()}

    @property
    def size(self) -> int:
        """Bytes of what is remembered."""
        return sum(memory.nbytes for memory in self._memory.values())

    @property
    def longest(self) -> timedelta:
        """How long after a reading a window that holds it may be open."""
        return max((window.size for window in self._memory), default=MINUTE.size)

    def keep(self, completed: Completed) -> None:
        """Take over what a committed batch leaves; once. Of kinds that were dropped meanwhile nothing is."""
        known = {id(memory) for memory in self._memory.values()}
        for change in completed.changes:
            if id(change.memory) in known:
                change.memory.take(change)

    def drop(self) -> None:
        self._memory.clear()

    def forget(self, people: Iterable[int]) -> None:
        """What is remembered of these people, whose readings changed otherwise or come no more."""
        gone = np.array(sorted(people), np.int64)
        if len(gone):
            for memory in self._memory.values():
                memory.forget(gone)

    def _want(self, wanted: Wanted) -> None:
        """Minutes, side by side windows of whole minutes with every metric, sliding ones with what is read of them."""
        kinds = {MINUTE: self._metrics}
        for window, metrics in wanted.items():
            kinds.setdefault(window, self._metrics if window.steps == 1 else tuple(metrics))
        self._memory = {
            window: known if (known := self._memory.get(window)) and known.metrics == metrics else Memory(metrics)
            for window, metrics in kinds.items()
        }

    def _steps_of(self, new: pl.DataFrame, minutes: Steps, window: Window, metrics: Sequence[str]) -> Steps:
        """The readings of a batch as steps of a window."""
        if window == MINUTE:
            return minutes
        times, rest = divmod(window.every, MINUTE.every)
        return steps_of(new, window.every, metrics) if rest else steps_coarser(minutes, times, metrics)

    def _received(self, over: Mapping[Window, Steps], new: pl.DataFrame, people: People) -> dict[Window, pl.DataFrame]:
        """Windows as rows, by which reading of a batch they are over."""
        some = {window: found for window, found in over.items() if len(found.key)}
        if not some:
            return {}
        receipts = Receipts(new, people, self._freshness)
        return {
            window: windows_frame(found, window, self._memory[window].metrics, **receipts.of(found, window))
            for window, found in some.items()
        }

    def _complete_part(
        self, window: Window, memory: Memory, number: int, new: Steps, people: People
    ) -> tuple[Steps, Change]:
        """The windows of a shard that are over or other than before, and what becomes of it."""
        goes_on, people_of = _goes_on(window, memory.shard(number), new, people)
        if goes_on.all():
            return no_steps(), Change(memory, number, people.user[:0], no_steps(), new)
        some = People(*(column[~goes_on] for column in people))
        theirs, more = new.picked(~goes_on[people_of]), new.picked(goes_on[people_of])
        found, remembered = self._complete(window, memory, number, theirs, some)
        return found, Change(memory, number, some.user, remembered, more)

    def _complete(self, window: Window, memory: Memory, number: int, new: Steps, people: People) -> tuple[Steps, Steps]:
        """The windows that are over or other than before, and the steps to remember."""
        if not len(people.user):
            return no_steps(), no_steps()
        shard = memory.shard(number)
        places = _places(window, shard, people)
        remembered, missing = shard.steps.of(places.user), _missing(window, new, places)
        steps = steps_added(remembered, new)
        if missing is not None:
            own = np.isin(steps.user, missing.whole) | np.isin(steps.key, missing.single)
            read = self._read_steps(window, memory.metrics, missing)
            steps = steps_together((steps.picked(~own), *read))
        found = windows_over(steps, window, _ends(window, steps, new, places))
        kept = steps.step > places.last[places.of(steps)] - _reach(window)
        return found, steps.picked(kept)

    def _read_steps(self, window: Window, metrics: Sequence[str], missing: "_Missing") -> Iterator[Steps]:
        """What is missing, a bounded number of people at once: steps are small, the rows that they are made of are
        not."""
        user, since, until = missing.spans(window)
        for at in range(0, len(user), READ_AT_ONCE):
            some = slice(at, at + READ_AT_ONCE)
            yield steps_of(self._read(user[some], since[some], until[some]), window.every, metrics)

    def _anew(self, window: Window, metrics: Sequence[str], spans: Mapping[int, Span]) -> Steps:
        """The complete windows that hold something of these stretches, from stored readings."""
        every, around = length(window.every), window.steps - 1
        times = times_of(window, sorted(spans))
        user = sorted(times)
        first = np.array([microseconds(spans[each].since) // every for each in user], np.int64)
        final = np.array([microseconds(spans[each].until) // every for each in user], np.int64)
        since = [moment(each) for each in ((first - around) * every).tolist()]
        until = [moment(each) for each in ((final + around + 1) * every).tolist()]
        steps = steps_of(self._read(user, since, until), window.every, metrics)
        last = np.array([microseconds(times[each]) // every - 1 for each in user], np.int64)
        places = _Places(np.array(user, np.int64), last + 1, last, np.ones(len(user), np.bool_))
        of = places.of(steps)
        inside = steps.picked((steps.step >= first[of]) & (steps.step <= final[of]))
        return windows_over(steps, window, _ends(window, no_steps(), inside, places))


def _reach(window: Window) -> int:
    """How many steps before the one that runs are remembered."""
    return 0 if window.steps == 1 else window.steps - 1 + DISORDER // window.every


def _places(window: Window, shard: Shard, people: People) -> _Places:
    every = length(window.every)
    current = np.where(people.before == NEVER, NEVER, people.before // every)
    is_known = shard.holds(people.user) | (people.before == NEVER)
    return _Places(people.user, current, people.after // every - 1, is_known)


def _goes_on(window: Window, shard: Shard, new: Steps, people: People) -> tuple[Bools, Ints]:
    """Of which people the readings of a batch, as steps, only add to the remembered step that runs before and after it:
    nothing is over, and nothing that is over changes. And which of the people each step is of."""
    every = length(window.every)
    running = key_of(people.user, people.before // every)
    of = np.searchsorted(people.user, new.user)
    _, is_remembered = shard.steps.places_of(new.key)
    only_adds = (new.key == running[of]) & is_remembered
    goes_on = people.before // every == people.after // every
    goes_on[of[~only_adds]] = False
    return goes_on, of


@dataclass(frozen=True, slots=True)
class _Missing:
    """Steps (keys) whose readings are needed and not remembered: single ones, and all from one on of whole people."""

    single: Ints
    since: Ints

    def spans(self, window: Window) -> tuple[list[int], list[datetime], list[datetime | str]]:
        """Whose readings, from when until when."""
        every = length(window.every)
        key = np.concatenate((self.single, self.since))
        start = step_in(key) * every
        until: list[datetime | str] = [moment(at + every) for at in start[: len(self.single)].tolist()]
        until += ["infinity"] * len(self.since)
        return user_in(key).tolist(), [moment(at) for at in start.tolist()], until

    @property
    def whole(self) -> Ints:
        return user_in(self.since)


def _missing(window: Window, new: Steps, places: _Places) -> _Missing | None:
    """What must be read: of people who are not known, and around readings that are older than what is remembered."""
    reach, of = _reach(window), places.of(new)
    is_old = new.step < places.current[of] - (reach + 1 - window.steps)
    if not is_old.any() and places.is_known.all():
        return None
    unknown = ~places.is_known
    since = key_of(places.user[unknown], places.current[unknown] - reach)
    old = new.key[is_old] - (window.steps - 1)
    if window.steps == 1:
        return _Missing(old, since)
    first = np.sort(np.concatenate((since, old)))
    _, places_of_first = np.unique(user_in(first), return_index=True)
    return _Missing(old[:0], first[places_of_first])


def _ends(window: Window, steps: Steps, new: Steps, places: _Places) -> Ints:
    """The windows (the keys of their last steps) that are over now and were not before, and those over that `new` is
    in."""
    ahead, older = window.steps - 1, new
    if ahead:  # one step may be in many windows: those that are over now are fewer
        over, older = _over(steps, places, ahead), new.picked(new.step < places.current[places.of(new)])
    else:
        of = places.of(steps)
        over = _spans(steps.user, np.maximum(steps.step, places.current[of]), np.minimum(steps.step, places.last[of]))
    touched = _spans(older.user, older.step, np.minimum(older.step + ahead, places.last[places.of(older)]))
    return np.unique(np.concatenate((over, touched)))


def _over(steps: Steps, places: _Places, ahead: int) -> Ints:
    """The windows that are over now, were not before, and hold some step."""
    current, user = places.current, places.user
    if len(user) == 0 or len(steps.key) == 0:
        return np.empty(0, np.int64)
    of = places.of(steps)
    begins = np.maximum(steps.step, current[of])
    lengths = np.maximum(places.last - current + 1, 0)
    if (current == NEVER).any() or int(lengths.sum()) > 2 * len(steps.key):
        return _spans(steps.user, begins, np.minimum(steps.step + ahead, places.last[of]))
    ends = _spans(user, current, places.last)
    first, after = np.searchsorted(steps.key, ends - ahead), np.searchsorted(steps.key, ends, side="right")
    return ends[first < after]


def _spans(user: Ints, first: Ints, last: Ints) -> Ints:
    """The keys of all steps from each first to its last."""
    some = first <= last
    begin, lengths = key_of(user[some], first[some]), (last - first + 1)[some]
    if len(lengths) == 0 or int(lengths.max()) == 1:
        return begin
    offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    keys: Ints = np.repeat(begin, lengths) + offsets
    return keys


def _made_at(found: pl.DataFrame, at: datetime) -> pl.DataFrame:
    return found.with_columns(pl.lit(at, _TIME).alias("received_at"))
