"""Rows in, episodes out: what `fold` means, for many people and rules at once, in whatever order the rows come."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from alerts.engine.clock import moment
from alerts.engine.episode import Stretch, episode
from alerts.engine.fold import TRUE, Row, Run, fold
from alerts.engine.rows import (
    AT,
    FLAGS,
    FRESH,
    WORDS,
    Batch,
    Ints,
    Rows,
    batch_of,
    hot,
    joined,
    merged,
    newest,
    no_rows,
    packed,
    split,
)
from alerts.engine.ruleset import TAIL, CompiledRule, RuleSet, Slot
from alerts.engine.state import ALWAYS, PersonState, fitted, raised

FRESHNESS: Final = timedelta(minutes=15)
_NO_TIMES: Final[Mapping[int, int]] = MappingProxyType({})

Runs = Mapping[int, Run]
Ended = dict[int, list[Run]]


@dataclass(frozen=True, slots=True)
class Advance:
    """What came of a batch.

    `states` replace those given, once the caller has committed. `stretches` are what may have changed. For the people
    of `unreached` nothing was done: they have no state, or their earliest row (its time is given) is older than their
    state remembers. Of `followed` only the rows are to be remembered, by who found that (`alerts.engine.crowd`).
    """

    states: dict[int, PersonState] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    unreached: dict[int, datetime] = field(default_factory=dict)
    followed: Batch | None = None


def advance(
    rules: RuleSet,
    states: Mapping[int, PersonState],
    rows: pl.DataFrame,
    *,
    freshness: timedelta = FRESHNESS,
    as_of: Mapping[int, int] = _NO_TIMES,
) -> Advance:
    """Take rows that these states have not seen, in any order.

    `rows`: `user_id` Int64, `recorded_at` and `received_at` Datetime(us, UTC), `event_id` (a UUID's text), `flags`
    Int64 (`devices.metrics.Flag`), and a column a metric: Float64 or String. The states given stay valid. A row is
    fresh where it is not late and was received within `freshness` of its `recorded_at`; of windows a column `fresh`
    says it, and a window that was seen before is taken in place of what it was. `as_of` is how far the time of people
    has come (microseconds since 1970 UTC), where that is beyond their last row, or where they have none.
    """
    return advance_batch(rules, states.get, batch_of(rules, rows, freshness), as_of)


def advance_batch(
    rules: RuleSet, state_of: Callable[[int], PersonState | None], batch: Batch, as_of: Mapping[int, int]
) -> Advance:
    """As `advance`, with what `state_of` remembers of people."""
    found = Advance()
    still = dict(as_of)
    for user, new, first, last in batch.people():
        at = still.pop(user, last)
        known = state_of(user)
        if known is None or first <= known.reach:
            found.unreached[user] = moment(first)
        else:
            _take(found, user, _step(fitted(known, rules), new, first, at))
    for user, at in still.items():
        known = state_of(user)
        if known is None:
            found.unreached[user] = moment(at)
        elif known.runs or known.floors is not None:
            _take(found, user, _step(fitted(known, rules), no_rows(rules), ALWAYS, at))
    return found


def _take(found: Advance, user: int, step: "_Step") -> None:
    found.states[user] = step.state
    if step.touched:
        found.stretches.extend(_stretches(user, step.state.rules, step))


class _Step(NamedTuple):
    """One person's next state, the rules that were touched, and the episodes that ended, by rule."""

    state: PersonState
    since: Mapping[int, int] | int
    touched: Collection[int]
    ended: Ended


def _step(state: PersonState, new: Rows, first: int, as_of: int) -> _Step:
    """`first` is the time of the first row of `new`, which may be empty; `as_of` is how far the person's time has come,
    at least."""
    as_of = max(as_of, state.as_of_us)
    if state.floors is not None:
        return _resumed(state, new, as_of)
    if not len(new.table):
        return _passed(state, as_of)
    if first <= state.as_of_us:
        return _refold(state, new, as_of)
    if not len(new.values) and is_quiet(state):
        return _Step(_remembered(state, new, as_of), 0, (), {})
    return _in_order(state, new, as_of)


def _passed(state: PersonState, as_of: int) -> _Step:
    """No row came, but time has passed: what waited for too long has ended."""
    runs, ended = _fold(state.rules, state.runs, no_rows(state.rules), as_of)
    after = PersonState(state.rules, as_of, state.reach, state.base, state.tail, runs)
    return _Step(after, state.as_of_us, ended, ended)


def is_quiet(state: PersonState) -> bool:
    """Nothing is pending, and none of the rows that are remembered is TRUE. How far the time of such a person has come
    beyond their last row is of no matter."""
    return not (state.runs or state.base or len(state.tail.values) or state.floors is not None)


def _remembered(state: PersonState, new: Rows, as_of: int) -> PersonState:
    """The next state of a quiet person: newer rows none of which is TRUE are remembered, and that is all."""
    rules, reach, tail, table = state.rules, state.reach, state.tail.table, new.table
    if cut := _overflow(rules, len(tail) + len(table)):
        reach = int(tail[cut - 1, AT] if cut <= len(tail) else table[cut - len(tail) - 1, AT])
        tail, table = tail[cut:], table[max(cut - len(tail), 0) :]
    both = Rows(np.concatenate((tail, table)), state.tail.values)
    return PersonState(rules, as_of, reach, state.base, both, state.runs)


def _in_order(state: PersonState, new: Rows, as_of: int) -> _Step:
    """All rows are newer than those seen: go on from where the runs are."""
    rules, tail = state.rules, state.tail
    cut = _overflow(rules, len(tail.table) + len(new.table))
    before, kept = split(rules, new, max(cut - len(tail.table), 0))
    runs, ended = _fold(rules, state.runs, before)
    if cut == 0:
        base, reach = state.base, state.reach
    elif cut >= len(tail.table):
        base, reach, tail = runs, before.last_at if len(before.table) else tail.last_at, split(rules, tail, 0)[0]
    else:
        dropped, tail = split(rules, tail, cut)
        (base, _), reach = _fold(rules, state.base, dropped), dropped.last_at
    runs, more = _fold(rules, runs, kept, as_of)
    ended = _both(ended, more)
    after = PersonState(rules, as_of, reach, base, joined(tail, kept), runs)
    opened = {number for number, run in runs.items() if run.opened_at is not None}
    since = new.first_at - 1 if state.as_of_us == ALWAYS else state.as_of_us
    return _Step(after, since, {*ended, *opened}, ended)


def _refold(state: PersonState, new: Rows, as_of: int, since: int | None = None) -> _Step:
    """Some rows come between those seen: go on from the base, through the tail, with them in their places.

    Episodes that settled after `since` (default: just before the first of them) are told.
    """
    rules = state.rules
    rows = merged(rules, state.tail, new)
    if rules.is_of_windows:
        rows = newest(rules, rows)
    cut = _overflow(rules, len(rows.table))
    if not (state.runs or state.base or len(rows.values) or len(state.tail.values)):
        reach = int(rows.table[cut - 1, AT]) if cut else state.reach
        tail = Rows(rows.table[cut:].copy() if cut else rows.table, rows.values)
        return _Step(PersonState(rules, as_of, reach, state.base, tail, state.runs), 0, (), {})
    dropped, tail = split(rules, rows, cut)
    base, ended = _fold(rules, state.base, dropped)
    runs, more = _fold(rules, base, tail, as_of)
    reach = dropped.last_at if cut else state.reach
    after = PersonState(rules, as_of, reach, base, Rows(tail.table.copy(), tail.values.copy()), runs)
    since = new.first_at - 1 if since is None else since
    ended = {
        number: [run for run in found if run.settled_at is None or run.settled_at > since]
        for number, found in _both(ended, more).items()
    }
    touched = {
        *state.base,
        *state.runs,
        *ended,
        *runs,
        *_true_rules(rules, state.tail.table),
        *_true_rules(rules, rows.table),
    }
    return _Step(after, since, touched, ended)


def _resumed(state: PersonState, new: Rows, as_of: int) -> _Step:
    """The first rows of a resumed state: from here on it remembers what is not older than every floor."""
    rules, floors = state.rules, state.floors or {}
    empty = PersonState(rules, state.as_of_us, state.reach, state.base, state.tail, state.runs)
    first = new.first_at if len(new.table) else as_of
    if len(new.table):
        step = _refold(empty, raised(state, new), as_of, min(floors.values(), default=first) - 1)
    else:
        step = _passed(empty, as_of)
    top = max(floors.values(), default=state.reach + 1) - 1
    made, ended = step.state, step.ended
    after = PersonState(rules, as_of, max(made.reach, top), made.base, made.tail, made.runs)
    since = {number: floors.get(number, first) - 1 for number in range(len(rules.rules))}
    return _Step(after, since, range(len(rules.rules)), ended)


def rows_kept(rules: RuleSet) -> int:
    """How many of a person's last rows are remembered at least."""
    return min(TAIL, rules.tail)


def _overflow(rules: RuleSet, size: int) -> int:
    """How many rows leave a tail of this size."""
    kept = rows_kept(rules)
    return size - kept if 2 * size > 3 * kept else 0


def _both(first: Ended, second: Ended) -> Ended:
    if not first or not second:
        return first or second
    return {number: first.get(number, []) + second.get(number, []) for number in {*first, *second}}


def _fold(rules: RuleSet, runs: Runs, rows: Rows, as_of: int | None = None) -> tuple[Runs, Ended]:
    """What is pending after `rows`, at `as_of` (default: the last row's time), and what ended.

    Rules with nothing pending and nothing TRUE cost nothing.
    """
    if as_of is None:
        as_of = rows.last_at if len(rows.table) else ALWAYS
    if not runs and not len(rows.values):
        return runs, {}
    after: dict[int, Run] = {}
    ended: Ended = {}
    places = np.cumsum(hot(rules, rows.table)) - 1
    for number in sorted({*runs, *_true_rules(rules, rows.table)}):
        compiled, pending = rules.compiled[number], runs.get(number)
        run, found = fold(
            compiled.pattern,
            len(compiled.rule.measures),
            pending.copy() if pending else None,
            _rows_of(compiled, rows, places),
            as_of,
        )
        if run is not None:
            after[number] = run
        if found:
            ended[number] = found
    return after, ended


def folded(rules: RuleSet, runs: Runs, rows: Rows) -> Runs:
    """What is pending after `rows`, of what was before them."""
    return _fold(rules, runs, rows)[0]


def _true_rules(rules: RuleSet, table: Ints) -> list[int]:
    words = np.bitwise_or.reduce(table[:, WORDS:], axis=0).tolist()
    return [
        number for number, compiled in enumerate(rules.compiled) if words[compiled.when.word] & compiled.when.true_bit
    ]


def _rows_of(compiled: CompiledRule, rows: Rows, places: Ints) -> Iterator[Row]:
    """The rows that say something to one rule: not NULL, and not FALSE after FALSE where that clears nothing."""
    when = _verdicts(rows.table, compiled.when)
    if compiled.clear is None:
        clear = when
        picked = np.flatnonzero(when)
        said = when[picked]
        picked = picked[(said == TRUE) | (np.concatenate(([TRUE], said[:-1])) == TRUE)]
    else:
        clear = _verdicts(rows.table, compiled.clear)
        picked = np.flatnonzero(when | clear)
    table = rows.table[picked]
    flags = table[:, FLAGS]
    if len(rows.values):  # what stands in place of the values of a row that is not TRUE is not read
        values = rows.values[places[picked]][:, compiled.places]
    else:
        values = np.zeros((len(picked), len(compiled.places)))
    return map(
        Row,
        table[:, AT].tolist(),
        when[picked].tolist(),
        clear[picked].tolist(),
        (flags & FRESH != 0).tolist(),
        (flags & compiled.suspect != 0).tolist(),
        values[:, : len(compiled.rule.measures)].tolist(),
        packed(table, values),
    )


def _verdicts(table: Ints, slot: Slot) -> Ints:
    return (table[:, WORDS + slot.word] >> slot.shift) & 3


def _stretches(user: int, rules: RuleSet, step: _Step) -> Iterator[Stretch]:
    for number in sorted(step.touched):
        rule = rules.rules[number]
        since = step.since if isinstance(step.since, int) else step.since[number]
        run = step.state.runs.get(number)
        found = [*step.ended.get(number, ())]
        if run is not None and run.opened_at is not None:
            found.append(run)
        yield Stretch(user, rule.key, moment(since), tuple(episode(rule, each) for each in found))
