"""The rules over one source, and what is remembered of people under them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Final

import polars as pl

from alerts.deriving import Deriving
from alerts.engine import Advance, PersonState, RuleSet, Stretch, advance, new_person
from alerts.engine.clock import moment
from alerts.engine.snapshot import Snapshot, snapshot_of
from alerts.engine.state import ALWAYS
from alerts.rebuild import new_people, rebuild
from alerts.snapshots import BEHIND, LONG

REBUILT_AT_ONCE: Final = 64  # people
_NO_TIMES: Final[Mapping[int, int]] = MappingProxyType({})
Judged = tuple[list[Stretch], dict[int, PersonState]]


class Lane:
    """Rows of one source in, stretches and states out. The states are a cache: dropping them costs time alone."""

    def __init__(self, rules: RuleSet, *, freshness: timedelta, deriving: Deriving) -> None:
        self.rules = rules
        self._freshness = freshness
        self._deriving = deriving
        self._states: dict[int, PersonState] = {}
        self._saved: dict[int, datetime] = {}  # up to when a person's snapshot reaches

    def judge(
        self, rows: pl.DataFrame, *, at: datetime, counts: Mapping[int, int], as_of: Mapping[int, int] = _NO_TIMES
    ) -> Judged:
        """What new rows, which are stored, mean. `counts` are how many readings of each person the batch stored, and
        `as_of` is how far the time of people has come (microseconds since 1970 UTC), where rows do not say it."""
        again = self._disordered(rows) if self.rules.has_rates else {}
        in_order = rows.filter(~pl.col("user_id").is_in(list(again))) if again else rows
        if self.rules.derived:
            in_order = self._deriving.following(self.rules, in_order, at=at)
        found = advance(self.rules, self._states, in_order, freshness=self._freshness, as_of=as_of)
        return _both([found, *self._reach(found.unreached | again, rows, at, counts, as_of)])

    def again(self, people: Mapping[int, datetime]) -> Judged:
        """These people's rows judged anew, each from a time on (or before), as they are stored now."""
        return _both(self._rebuild(people))

    def snapshots(self) -> dict[int, Snapshot]:
        """Of people of whom something has been pending for long, and who have none that is recent."""
        found = {}
        for user_id, state in self._states.items():
            if state.runs and (as_of := state.as_of) and _is_long_pending(state, as_of, self._saved.get(user_id)):
                snapshot = snapshot_of(state, before=as_of - BEHIND)
                if snapshot is not None:
                    found[user_id] = snapshot
        return found

    def saved(self, found: Mapping[int, Snapshot]) -> None:
        """These are kept now."""
        self._saved |= {user_id: snapshot.reached_at for user_id, snapshot in found.items()}

    def keep(self, states: Mapping[int, PersonState]) -> None:
        self._states |= states

    def forget(self, people: Iterable[int]) -> None:
        for user_id in people:
            self._states.pop(user_id, None)
            self._saved.pop(user_id, None)

    def drop(self) -> None:
        self._states.clear()
        self._saved.clear()

    def under(self, rules: RuleSet) -> "Lane":
        """The same under other rules over the same source."""
        self.rules = rules
        return self

    def _disordered(self, rows: pl.DataFrame) -> dict[int, datetime]:
        """People with rows older than some that are stored: these rows change the rates of those after them."""
        first = rows.group_by("user_id").agg(pl.min("recorded_at"))
        times = ((user_id, at, self._states.get(user_id)) for user_id, at in first.iter_rows())
        return {
            user_id: at
            for user_id, at, state in times
            if state is None or (state.as_of_us != ALWAYS and at <= moment(state.as_of_us))
        }

    def _reach(
        self, unreached: Mapping[int, datetime], rows: pl.DataFrame, at: datetime, counts: Mapping[int, int],
        as_of: Mapping[int, int],
    ) -> Iterable[Advance]:  # fmt: skip
        """Judge the rows of people whose state is missing or too young: it is begun, or rebuilt from what is stored."""
        if not unreached:
            return
        new = new_people({user_id: counts[user_id] for user_id in unreached})
        if new:
            first = rows.filter(pl.col("user_id").is_in(list(new)))
            if self.rules.derived:
                first = self._deriving.following(self.rules, first, at=at)
            begun = dict.fromkeys(new, new_person(self.rules))
            times = {user_id: as_of[user_id] for user_id in new if user_id in as_of}
            yield Advance(begun)  # of whom no window is over yet there is no row
            yield advance(self.rules, begun, first, freshness=self._freshness, as_of=times)
        yield from self._rebuild({user_id: at for user_id, at in unreached.items() if user_id not in new})

    def _rebuild(self, people: Mapping[int, datetime]) -> Iterable[Advance]:
        """A bounded number at once, so that a thousand people with a long past do not lie in memory together."""
        everybody = sorted(people)
        for start in range(0, len(everybody), REBUILT_AT_ONCE):
            some = {user_id: people[user_id] for user_id in everybody[start : start + REBUILT_AT_ONCE]}
            again = rebuild(self.rules, some, self._deriving)
            yield advance(self.rules, again.states, again.rows, freshness=self._freshness, as_of=again.as_of)


def _is_long_pending(state: PersonState, as_of: datetime, saved: datetime | None) -> bool:
    began = moment(min(run.started_at for run in state.runs.values()))
    return max(began, saved or began) < as_of - LONG


def _both(found: Iterable[Advance]) -> Judged:
    found = list(found)
    states: dict[int, PersonState] = {}
    for each in found:
        states |= each.states
    return list(chain.from_iterable(each.stretches for each in found)), states
