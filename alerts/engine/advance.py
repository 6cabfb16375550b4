"""Rows in, episodes out: what `fold` means, for many people and rules at once, in whatever order the rows come."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from alerts.engine.clock import moment
from alerts.engine.episode import Stretch, episode
from alerts.engine.fold import TRUE, Row, Run, fold
from alerts.engine.rows import AT, FLAGS, FRESH, WORDS, Ints, Rows, hot, joined, merged, packed, people, split
from alerts.engine.ruleset import CompiledRule, RuleSet, Slot
from alerts.engine.state import ALWAYS, TAIL, PersonState, fitted, raised

FRESHNESS: Final = timedelta(minutes=15)

Runs = Mapping[int, Run]
Ended = dict[int, list[Run]]


@dataclass(frozen=True, slots=True)
class Advance:
    """What came of a batch.

    `states` replace those given, once the caller has committed. `stretches` are what may have changed. For the people
    of `unreached` nothing was done: they have no state, or their earliest row (its time is given) is older than their
    state remembers.
    """

    states: dict[int, PersonState] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    unreached: dict[int, datetime] = field(default_factory=dict)


def advance(
    rules: RuleSet, states: Mapping[int, PersonState], rows: pl.DataFrame, *, freshness: timedelta = FRESHNESS
) -> Advance:
    """Take rows that these states have not seen, in any order.

    `rows`: `user_id` Int64, `recorded_at` and `received_at` Datetime(us, UTC), `event_id` (a UUID's text), `flags`
    Int64 (`devices.metrics.Flag`), and a column a metric: Float64 or String. The states given stay valid. A row is
    fresh where it is not late and was received within `freshness` of its `recorded_at`.
    """
    found = Advance()
    for user, new in people(rules, rows, freshness):
        known = states.get(user)
        if known is None or new.first_at <= known.reach:
            found.unreached[user] = moment(new.first_at)
            continue
        step = _step(fitted(known, rules), new)
        found.states[user] = step.state
        found.stretches.extend(_stretches(user, rules, step))
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """One person's next state, the rules that were touched, and the episodes that ended, by rule."""

    state: PersonState
    since: Mapping[int, int] | int
    touched: Iterable[int]
    ended: Ended


def _step(state: PersonState, new: Rows) -> _Step:
    if state.floors is not None:
        return _resumed(state, new)
    if new.first_at <= state.as_of_us:
        return _refold(state, new)
    if not state.runs and not len(new.values) and not len(state.tail.values) and not state.base:
        return _nothing(state, new)
    return _in_order(state, new)


def _nothing(state: PersonState, new: Rows) -> _Step:
    """Nothing is pending and nothing is TRUE: the rows are remembered, and that is all."""
    size = len(state.tail.table) + len(new.table)
    reach, table = state.reach, state.tail.table
    if size > 2 * TAIL:
        cut = size - TAIL
        reach = int(table[cut - 1, AT] if cut <= len(table) else new.table[cut - len(table) - 1, AT])
        table, fresh = table[cut:], new.table[max(cut - len(table), 0) :]
    else:
        fresh = new.table
    tail = Rows(np.concatenate((table, fresh)), state.tail.values)
    return _Step(PersonState(state.rules, new.last_at, reach, state.base, tail, state.runs), 0, (), {})


def _in_order(state: PersonState, new: Rows) -> _Step:
    """All rows are newer than those seen: go on from where the runs are."""
    rules, tail = state.rules, state.tail
    cut = _overflow(len(tail.table) + len(new.table))
    before, kept = split(rules, new, max(cut - len(tail.table), 0))
    runs, ended = _fold(rules, state.runs, before)
    if cut == 0:
        base, reach = state.base, state.reach
    elif cut >= len(tail.table):
        base, reach, tail = runs, before.last_at if len(before.table) else tail.last_at, split(rules, tail, 0)[0]
    else:
        dropped, tail = split(rules, tail, cut)
        (base, _), reach = _fold(rules, state.base, dropped), dropped.last_at
    runs, more = _fold(rules, runs, kept)
    ended = _both(ended, more)
    after = PersonState(rules, new.last_at, reach, base, joined(tail, kept), runs)
    opened = {number for number, run in runs.items() if run.opened_at is not None}
    since = new.first_at - 1 if state.as_of_us == ALWAYS else state.as_of_us
    return _Step(after, since, {*ended, *opened}, ended)


def _refold(state: PersonState, new: Rows) -> _Step:
    """Some rows come between those seen: go on from the base, through the tail, with them in their places."""
    rules = state.rules
    rows = merged(rules, state.tail, new)
    cut = _overflow(len(rows.table))
    dropped, tail = split(rules, rows, cut)
    base, ended = _fold(rules, state.base, dropped)
    runs, more = _fold(rules, base, tail)
    reach = dropped.last_at if cut else state.reach
    after = PersonState(rules, rows.last_at, reach, base, Rows(tail.table.copy(), tail.values.copy()), runs)
    since = new.first_at - 1
    ended = {
        number: [run for run in found if run.settled_at is None or run.settled_at > since]
        for number, found in _both(ended, more).items()
    }
    touched = {*state.base, *state.runs, *ended, *runs, *_true_rules(rules, rows.table)}
    return _Step(after, since, touched, ended)


def _resumed(state: PersonState, new: Rows) -> _Step:
    """The first rows of a resumed state: from here on it remembers what is not older than every floor."""
    rules, floors = state.rules, state.floors or {}
    top = max(floors.values(), default=state.reach + 1) - 1
    empty = PersonState(rules, state.as_of_us, state.reach, state.base, state.tail, state.runs)
    step = _refold(empty, raised(state, new))
    made = step.state
    after = PersonState(rules, made.as_of_us, max(made.reach, top), made.base, made.tail, made.runs)
    since = {number: floors.get(number, new.first_at) - 1 for number in range(len(rules.rules))}
    return _Step(after, since, range(len(rules.rules)), step.ended)


def _overflow(size: int) -> int:
    """How many rows leave a tail of this size."""
    return size - TAIL if size > 2 * TAIL else 0


def _both(first: Ended, second: Ended) -> Ended:
    if not first or not second:
        return first or second
    return {number: first.get(number, []) + second.get(number, []) for number in {*first, *second}}


def _fold(rules: RuleSet, runs: Runs, rows: Rows) -> tuple[Runs, Ended]:
    """What is pending after `rows`, and what ended; rules with nothing pending and nothing TRUE cost nothing."""
    if not len(rows.table) or (not runs and not len(rows.values)):
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
            rows.last_at,
        )
        if run is not None:
            after[number] = run
        if found:
            ended[number] = found
    return after, ended


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
