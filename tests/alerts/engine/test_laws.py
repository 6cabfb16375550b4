"""The laws of detection, as properties of any readings and many rules, against the twin.

Each is also held against engines that are broken on purpose: a law that lets one pass proves nothing.
"""

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.engine import Episode, Rule, fold, rows, state
from tests.alerts.engine.made import rule
from tests.alerts.engine.shell import Shell, reading
from tests.alerts.engine.twin import Found, Reading, episodes

# the package has functions of these names
advancing = importlib.import_module("alerts.engine.advance")
reconciling = importlib.import_module("alerts.engine.reconcile")

RULES = (
    rule(),
    rule(count=3),
    rule(count=3, within=20, max_gap=30),
    rule(count=2, lasting=25, max_gap=40),
    rule(lasting=10, max_gap=15),
    rule(count=2, clear="heart_rate < 95", clear_count=2, max_gap=30),
    rule("heart_rate > 100 AND activity_level < 10", clear="heart_rate < 98", max_gap=20),
    rule("heart_rate > 100 AND activity_level < 10", count=2, clear="heart_rate > 90", clear_count=3, max_gap=45),
)


@dataclass
class Case:
    """Readings in order of arrival, cut into batches; `crashes` are the batches after which the state is lost."""

    rule: Rule
    readings: list[Reading]
    cuts: list[int]
    crashes: set[int]

    @property
    def batches(self) -> list[list[Reading]]:
        edges = [0, *self.cuts, len(self.readings)]
        return [self.readings[start:end] for start, end in pairwise(edges) if end > start]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to 40 readings a few seconds apart, with equal times, holes and NULLs; some arrive far out of order."""
    size = draw(st.integers(1, 40))
    steps = draw(st.lists(st.sampled_from([0, 1, 5, 5, 10, 15, 20, 31, 60, 90]), min_size=size, max_size=size))
    rates = draw(st.lists(st.sampled_from([None, 90, 96, 99, 100.1, 101, 110.3, 120.7]), min_size=size, max_size=size))
    levels = draw(st.lists(st.sampled_from([None, 5, 5, 5, 20]), min_size=size, max_size=size))
    delays = draw(st.lists(st.sampled_from([0, 0, 0, 30, 600, 1200]), min_size=size, max_size=size))
    chance = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311  # Hypothesis seeds it
    second, made = 0, []
    for number, step in enumerate(steps):
        second += step
        values = {"heart_rate": rates[number], "activity_level": levels[number]}
        made.append(reading(second, chance.randrange(1 << 40), delay=delays[number], **values))
    reach = draw(st.sampled_from([0, 3, 40]))
    order = sorted(range(size), key=lambda at: at + chance.uniform(0, reach))
    cuts = sorted(chance.sample(range(size), draw(st.integers(0, size - 1))))
    crashes = {batch for batch in range(len(cuts)) if chance.random() < draw(st.sampled_from([0, 0.3]))}
    return Case(draw(st.sampled_from(RULES)), [made[at] for at in order], cuts, crashes)


def said(episode: Episode) -> tuple[Any, ...]:
    measure = episode.measures.get("heart_rate")
    times = (episode.started_at, episode.opened_at, episode.ended_at, episode.settled_at, episode.end)
    numbers = None if measure is None else (measure.count, measure.avg, measure.low, measure.high)
    evidence = (*(row.event_id for row in episode.evidence.first), *(row.event_id for row in episode.evidence.last))
    return (*times, episode.event_count, numbers, (episode.first_fresh_at, episode.last_fresh_at), evidence)


def expected(found: Found) -> tuple[Any, ...]:
    shown = (*found.rows[:20], *found.rows[-20:])
    return (
        *found.times, found.settled_at, found.end, len(found.rows), found.measure("heart_rate"), found.fresh,
        tuple(row.id for row in shown),
    )  # fmt: skip


def shell_of(case: Case, *, batches: list[list[Reading]], crashes: set[int] = frozenset()) -> Shell:  # type: ignore[assignment]
    shell = Shell(case.rule)
    for number, batch in enumerate(batches):
        shell.receive(batch)
        if number in crashes:
            shell.crash()
    return shell


def holds(case: Case, shell: Shell) -> None:
    assert [said(episode) for episode in shell.standing] == [
        expected(found) for found in episodes(case.rule, case.readings)
    ]


def order_does_not_matter(case: Case) -> None:
    holds(case, shell_of(case, batches=[[row] for row in case.readings]))


def batching_does_not_matter(case: Case) -> None:
    holds(case, shell_of(case, batches=case.batches))
    holds(case, shell_of(case, batches=[case.readings]))


def crashes_do_not_matter(case: Case) -> None:
    holds(case, shell_of(case, batches=case.batches, crashes=case.crashes))


def no_episode_overlaps_another(case: Case) -> None:
    standing = shell_of(case, batches=case.batches).standing
    for one, other in pairwise(standing):
        assert one.ended_at <= other.started_at
        assert one.settled_at is not None


def counts_and_averages_are_those_of_the_rows(case: Case) -> None:
    standing = shell_of(case, batches=case.batches).standing
    for episode, found in zip(standing, episodes(case.rule, case.readings), strict=True):
        measure = episode.measures["heart_rate"]
        assert episode.event_count == len(found.rows)
        assert (measure.count, measure.avg, measure.low, measure.high) == found.measure("heart_rate")


def a_rolled_back_batch_leaves_no_trace(case: Case) -> None:
    shell = Shell(case.rule)
    for batch in case.batches:
        before = (shell.state, list(shell.stored), [replace(alert) for alert in shell.alerts])
        shell.receive(batch)
        shell.state, shell.stored, shell.alerts = before
        shell.receive(batch)
    holds(case, shell)


LAWS: tuple[Callable[[Case], None], ...] = (
    order_does_not_matter,
    batching_does_not_matter,
    crashes_do_not_matter,
    no_episode_overlaps_another,
    counts_and_averages_are_those_of_the_rows,
    a_rolled_back_batch_leaves_no_trace,
)


@contextmanager
def tail_of(size: int) -> Iterator[None]:
    """Short memory: the rows leave it, and older ones are out of reach."""
    with patch.object(advancing, "TAIL", size):
        yield


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("tail", [2, 8, 128])
def test_the_law_holds(law: Callable[[Case], None], tail: int) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(cases())
    def check(case: Case) -> None:
        with tail_of(tail):
            law(case)

    check()


def unsorted_merge(rules: Any, first: rows.Rows, second: rows.Rows) -> rows.Rows:
    return rows.joined(first, second)


def opens_at_the_next_row(pattern: Any, run: Any) -> bool:
    return len(run.recent) == pattern.count and run.event_count > pattern.count


def endless_reach(*args: Any) -> state.PersonState:
    return state.PersonState(args[0], args[1], state.ALWAYS, *args[3:])


def forgets_the_base(rules: Any, runs: Any, *rest: Any, real: Any = advancing._fold) -> Any:
    return real(rules, {}, *rest)


def rounded_sums(self: fold.Tally, value: float, *, real: Any = fold.Tally.add) -> None:
    real(self, round(value))


def settles_too_late(run: Any, end: Any, at: int, ended: Any, *, real: Any = fold._end) -> None:
    real(run, end, at + 1_000_000, ended)


def looks_at_nothing_before(state: Any, new: rows.Rows, as_of: int, *, real: Any = advancing._resumed) -> Any:
    step = real(state, new, as_of)
    return replace(step, since=dict.fromkeys(step.since, new.last_at))


BROKEN = {
    "rows are not put in order": (order_does_not_matter, advancing, "merged", unsorted_merge),
    "older rows are taken as new": (order_does_not_matter, advancing, "PersonState", endless_reach),
    "runs are lost between batches": (batching_does_not_matter, advancing, "_fold", forgets_the_base),
    "it opens one row late": (batching_does_not_matter, fold, "_opens", opens_at_the_next_row),
    "the end is put too late": (batching_does_not_matter, fold, "_end", settles_too_late),
    "what stood before a crash is forgotten": (crashes_do_not_matter, advancing, "_resumed", looks_at_nothing_before),
    "alerts are not recognised": (no_episode_overlaps_another, reconciling, "_concerned", lambda *_: False),
    "values are rounded": (counts_and_averages_are_those_of_the_rows, fold.Tally, "add", rounded_sums),
    "states share their runs": (a_rolled_back_batch_leaves_no_trace, fold.Run, "copy", lambda run: run),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_law_catches_a_broken_engine(name: str) -> None:
    law, where, what, broken = BROKEN[name]

    @settings(max_examples=400, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(cases())
    def check(case: Case) -> None:
        with tail_of(2), patch.object(where, what, broken):
            law(case)

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        check()
