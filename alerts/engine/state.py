"""What the engine remembers of a person between batches. A cache: whoever drops it loses time, never an episode."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from alerts.engine.clock import microseconds, moment
from alerts.engine.fold import Run
from alerts.engine.rows import AT, WORDS, Rows, hot, no_rows
from alerts.engine.rule import RuleKey
from alerts.engine.ruleset import RuleSet

ALWAYS: Final = -(1 << 62)  # before any time
_NOTHING: Final[Mapping[int, Run]] = MappingProxyType({})
_NO_RUNS: Final[Mapping[RuleKey, Run]] = MappingProxyType({})


class PersonState(NamedTuple):
    """Runs are by the rule's number in `rules`; runs and arrays of a state are never changed.

    `tail` is the person's last rows, `base` what was pending before them, `runs` what is pending after them. Rows at or
    before `reach` are older than it remembers. `floors` are those of a resumed state that has seen no row yet.
    """

    rules: RuleSet
    as_of_us: int
    reach: int
    base: Mapping[int, Run]
    tail: Rows
    runs: Mapping[int, Run]
    floors: Mapping[int, int] | None = None

    @property
    def as_of(self) -> datetime | None:
        """The greatest `recorded_at` among the person's rows."""
        return None if self.as_of_us == ALWAYS else moment(self.as_of_us)

    @property
    def is_pending(self) -> bool:
        """Whether some rule waits for this person's next row, or for time to pass."""
        return bool(self.runs)


def new_person(rules: RuleSet) -> PersonState:
    """The state of a person who has no rows yet."""
    return PersonState(rules, ALWAYS, ALWAYS, _NOTHING, no_rows(rules), _NOTHING)


def resume(rules: RuleSet, since: Mapping[RuleKey, datetime], pending: Mapping[RuleKey, Run] = _NO_RUNS) -> PersonState:
    """The state of a person of whom nothing but `pending` is pending, for each rule, just before its `since`.

    What `advance` is given next must be all stored rows from the earliest `since` on, at once or in pieces of ascending
    time that cut no instant; rows before a rule's own count as NULL for it. A rule that is not named has no floor.
    Alerts settled before `since` are left alone, so it must lie after `settled_at` of every episode that is to stand.
    """
    floors = {rules.index[key]: microseconds(at) for key, at in since.items() if key in rules.index}
    runs = {rules.index[key]: run for key, run in pending.items() if key in rules.index}
    return PersonState(rules, ALWAYS, ALWAYS, runs, no_rows(rules), runs, floors)


def raised(state: PersonState, rows: Rows) -> Rows:
    """The first rows of a resumed state: NULL for each rule before its floor."""
    table, values = rows.table.copy(), rows.values
    was_hot = hot(state.rules, rows.table)
    for number, floor in (state.floors or {}).items():
        compiled = state.rules.compiled[number]
        before = table[:, AT] < floor
        for slot in (compiled.when, compiled.clear):
            if slot:
                table[before, WORDS + slot.word] &= ~(3 << slot.shift)
    return Rows(table, values[hot(state.rules, table)[was_hot]])


def fitted(state: PersonState, rules: RuleSet) -> PersonState:
    """The state under another set of rules: what both have is kept, and rules new to it have seen nothing yet."""
    if state.rules is rules:
        return state
    if state.rules.keys == rules.keys and state.rules.columns == rules.columns:
        return PersonState(rules, state.as_of_us, state.reach, state.base, state.tail, state.runs, state.floors)
    moved = {number: rules.index[key] for number, key in enumerate(state.rules.keys) if key in rules.index}
    return PersonState(
        rules,
        state.as_of_us,
        state.reach,
        {moved[number]: run for number, run in state.base.items() if number in moved},
        _refiled(state, rules, moved),
        {moved[number]: run for number, run in state.runs.items() if number in moved},
        None if state.floors is None else {moved[n]: at for n, at in state.floors.items() if n in moved},
    )


def _refiled(state: PersonState, rules: RuleSet, moved: Mapping[int, int]) -> Rows:
    """The tail with its verdicts and values where the other set keeps them."""
    old, table = state.rules, np.zeros((len(state.tail.table), WORDS + rules.words), np.int64)
    table[:, :WORDS] = state.tail.table[:, :WORDS]
    for number, there in moved.items():
        was, becomes = old.compiled[number], rules.compiled[there]
        for source, target in ((was.when, becomes.when), (was.clear, becomes.clear)):
            if source and target:
                verdict = (state.tail.table[:, WORDS + source.word] >> source.shift) & 3
                table[:, WORDS + target.word] |= verdict << target.shift
    values = np.full((len(state.tail.values), len(rules.columns)), np.nan)
    for place, column in enumerate(rules.columns):
        if column in old.columns:
            values[:, place] = state.tail.values[:, old.columns.index(column)]
    was_hot = hot(old, state.tail.table)
    return Rows(table, values[hot(rules, table)[was_hot]])
