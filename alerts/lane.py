"""The rules over one source, and what is remembered of people under them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from alerts.deriving import Deriving
from alerts.engine import Advance, PersonState, RuleKey, RuleSet, Stretch, advance, new_person
from alerts.engine.clock import moment
from alerts.engine.crowd import NO_TIMES, Crowd, Times
from alerts.engine.rows import Ints
from alerts.engine.snapshot import Snapshot, snapshot_of
from alerts.engine.state import ALWAYS
from alerts.rebuild import Rebuilt, new_people, rebuild
from alerts.snapshots import BEHIND, LONG

REBUILT_AT_ONCE: Final = 64  # people
_NOBODY: Final = np.empty(0, np.int64)


class Lane:
    """Rows of one source in, stretches and states out. The states are a cache: dropping them costs time alone."""

    def __init__(self, rules: RuleSet, *, freshness: timedelta, deriving: Deriving) -> None:
        self._freshness = freshness
        self._deriving = deriving
        self._crowd = Crowd(rules)
        self._saved: dict[int, datetime] = {}  # up to when a person's snapshot reaches

    @property
    def rules(self) -> RuleSet:
        return self._crowd.rules

    def judge(self, rows: pl.DataFrame, *, at: datetime, stored: Ints = _NOBODY, as_of: Times = NO_TIMES) -> Advance:
        """What new rows, which are stored, mean. `stored` is whose each reading is that the batch stored, and `as_of`
        is how far the time of people has come, where rows do not say it."""
        again = self._disordered(rows) if self.rules.has_rates else {}
        in_order = rows.filter(~pl.col("user_id").is_in(list(again))) if again else rows
        if self.rules.derived:
            in_order = self._deriving.following(self.rules, in_order, at=at)
        found = self._crowd.advance(in_order, freshness=self._freshness, as_of=as_of)
        return _together([found, *self._reach(found.unreached | again, rows, at, stored, as_of)])

    def again(self, people: Mapping[int, datetime]) -> Advance:
        """These people's rows judged anew, each from a time on (or before), as they are stored now."""
        return _together(self._rebuild(people))

    def snapshots(self) -> dict[int, Snapshot]:
        """Of people of whom something has been pending for long, and who have none that is recent."""
        found = {}
        for user_id, state in self._crowd.pending():
            if (as_of := state.as_of) and _is_long_pending(state, as_of, self._saved.get(user_id)):
                snapshot = snapshot_of(state, before=as_of - BEHIND)
                if snapshot is not None:
                    found[user_id] = snapshot
        return found

    def saved(self, found: Mapping[int, Snapshot]) -> None:
        """These are kept now."""
        self._saved |= {user_id: snapshot.reached_at for user_id, snapshot in found.items()}

    def keep(self, found: Advance) -> None:
        self._crowd.keep(found)

    def forget(self, people: Collection[int]) -> None:
        self._crowd.forget(people)
        for user_id in people:
            self._saved.pop(user_id, None)

    def drop(self) -> None:
        self._crowd.drop()
        self._saved.clear()

    def under(self, rules: RuleSet) -> "Lane":
        """The same under other rules over the same source."""
        self._crowd.under(rules)
        return self

    def _disordered(self, rows: pl.DataFrame) -> dict[int, datetime]:
        """People with rows older than some that are stored: these rows change the rates of those after them."""
        first = rows.group_by("user_id").agg(pl.min("recorded_at"))
        times = ((user_id, at, self._crowd.as_of(user_id)) for user_id, at in first.iter_rows())
        return {
            user_id: at for user_id, at, as_of in times if as_of is None or (as_of != ALWAYS and at <= moment(as_of))
        }

    def _reach(
        self, unreached: Mapping[int, datetime], rows: pl.DataFrame, at: datetime, stored: Ints, as_of: Times
    ) -> Iterable[Advance]:
        """Judge the rows of people whose state is missing or too young: it is begun, or rebuilt from what is stored."""
        if not unreached:
            return
        people, counts = (column.tolist() for column in np.unique(stored, return_counts=True))
        of_batch = dict(zip(people, counts, strict=True))
        new = new_people({user_id: of_batch.get(user_id, 0) for user_id in unreached})
        if new:
            first = rows.filter(pl.col("user_id").is_in(list(new)))
            if self.rules.derived:
                first = self._deriving.following(self.rules, first, at=at)
            begun = dict.fromkeys(new, new_person(self.rules))
            times = zip(as_of.user.tolist(), as_of.at.tolist(), strict=True)
            passed = {user_id: time for user_id, time in times if user_id in new}
            yield Advance(begun)  # of whom no window is over yet there is no row
            yield advance(self.rules, begun, first, freshness=self._freshness, as_of=passed)
        yield from self._rebuild({user_id: at for user_id, at in unreached.items() if user_id not in new})

    def _rebuild(self, people: Mapping[int, datetime]) -> Iterable[Advance]:
        """A bounded number at once, so that a thousand people with a long past do not lie in memory together."""
        everybody = sorted(people)
        for start in range(0, len(everybody), REBUILT_AT_ONCE):
            some = {user_id: people[user_id] for user_id in everybody[start : start + REBUILT_AT_ONCE]}
            yield self._folded(rebuild(self.rules, some, self._deriving))

    def _folded(self, again: Rebuilt) -> Advance:
        """What all the rows of these people mean, of which only a piece is in memory."""
        states: dict[int, PersonState] = {}
        stretches: dict[tuple[int, RuleKey], Stretch] = {}
        for rows in again.pieces:
            step = advance(self.rules, again.states | states, rows, freshness=self._freshness, as_of=again.as_of)
            states |= step.states
            for stretch in step.stretches:
                pair = stretch.user_id, stretch.rule
                stretches[pair] = stretches[pair].followed_by(stretch) if pair in stretches else stretch
        return Advance(states, list(stretches.values()))


def _is_long_pending(state: PersonState, as_of: datetime, saved: datetime | None) -> bool:
    began = moment(min(run.started_at for run in state.runs.values()))
    return max(began, saved or began) < as_of - LONG


def _together(found: Iterable[Advance]) -> Advance:
    both = Advance()
    for each in found:
        both.states.update(each.states)
        both.stretches.extend(each.stretches)
        if each.followed is not None:
            both = replace(both, followed=each.followed)
    return both
