"""The laws of detection, as properties of any readings and many rules, against the twin.

Each is also held against engines that are broken on purpose: a law that lets one pass proves nothing.
"""

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.engine import Episode, Rule, Window, fold, rows, state
from alerts.engine.clock import length
from alerts.engine.crowd import Crowd
from alerts.engine.usual import Usual
from tests.alerts.engine import seen
from tests.alerts.engine.made import rule
from tests.alerts.engine.shell import START, Shell, reading
from tests.alerts.engine.twin import Found, Reading, episodes
from tests.alerts.engine.twin_rows import derived, windows

# the package has functions of these names
advancing = importlib.import_module("alerts.engine.advance")
completing = importlib.import_module("ingestion.evaluate.windows")
deriving = importlib.import_module("alerts.engine.derived")
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
OVER_WINDOWS = tuple(
    rule(when, over=Window(timedelta(seconds=size), timedelta(seconds=every)), measures=("avg_heart_rate",), **others)
    for when, size, every, others in (
        ("avg_heart_rate > 100", 60, 60, {}),
        ("avg_heart_rate > 98", 60, 60, {"max_gap": 20}),
        ("avg_heart_rate > 99", 60, 30, {"count": 2, "max_gap": 45}),
        ("max_heart_rate - min_heart_rate > 10", 90, 30, {"lasting": 60, "max_gap": 100}),
        ("count_heart_rate >= 2", 20, 10, {"clear": "avg_heart_rate < 101", "clear_count": 2, "max_gap": 30}),
        ("stddev_heart_rate > 4 OR count > 5", 30, 30, {"max_gap": 40}),
    )
)
OVER_DERIVED = (
    rule("heart_rate_z > 3", max_gap=90),
    rule("heart_rate_z > 2 AND heart_rate > 98", count=2, clear="heart_rate_z < 1", max_gap=60),
    rule("heart_rate_rate > 20", max_gap=40),
    rule("heart_rate_rate BETWEEN 0.1 AND 4", max_gap=700),
    rule("heart_rate_rate < -10 OR heart_rate_rate > 60", count=2, max_gap=120),
)
KINDS = {"readings": RULES, "windows": OVER_WINDOWS, "derived columns": OVER_DERIVED}
USUAL = [  # the first set ends in the midst of the readings; in Kathmandu an hour does
    (START + timedelta(minutes=since), "Asia/Kathmandu", hour, median, mad)
    for since, hour, median, mad in (
        (-999, 15, 85.0, 1.0), (-999, 16, 70.0, 4.0), (5, 15, 95.0, 3.0), (5, 16, None, None), (14, 16, 100.0, 0.5),
    )
]  # fmt: skip


@dataclass
class Case:
    """Readings in order of arrival, cut into batches; `crashes` are the batches after which the state is lost."""

    rule: Rule
    readings: list[Reading]
    cuts: list[int]
    crashes: set[int]

    @property
    def rows(self) -> list[Reading]:
        """What the rule sees of them in the end."""
        if isinstance(self.rule.over, Window):
            return windows(self.readings, self.rule.over, ("heart_rate",))
        return derived(self.readings, "heart_rate", USUAL)

    @property
    def batches(self) -> list[list[Reading]]:
        edges = [0, *self.cuts, len(self.readings)]
        return [self.readings[start:end] for start, end in pairwise(edges) if end > start]


@st.composite
def cases(draw: st.DrawFn, rules: tuple[Rule, ...] = RULES) -> Case:
    """Up to 40 readings a few seconds apart, with equal times, holes and NULLs; some arrive far out of order."""
    size = draw(st.integers(1, 40))
    steps = draw(
        st.lists(st.sampled_from([0, 0.7, 1, 5, 5, 10, 15, 20, 31, 60, 90, 601]), min_size=size, max_size=size)
    )
    rates = draw(st.lists(st.sampled_from([None, 90, 96, 99, 100.1, 101, 110.3, 120.7]), min_size=size, max_size=size))
    levels = draw(st.lists(st.sampled_from([None, 5, 5, 5, 20]), min_size=size, max_size=size))
    delays = draw(st.lists(st.sampled_from([0, 0, 0, 30, 600, 1200]), min_size=size, max_size=size))
    chance = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311  # Hypothesis seeds it
    second, made = 0.0, []
    for number, step in enumerate(steps):
        second += step
        values = {"heart_rate": rates[number], "activity_level": levels[number]}
        made.append(reading(second, chance.randrange(1 << 40), delay=delays[number], **values))
    reach = draw(st.sampled_from([0, 3, 40]))
    order = sorted(range(size), key=lambda at: at + chance.uniform(0, reach))
    cuts = sorted(chance.sample(range(size), draw(st.integers(0, size - 1))))
    crashes = {batch for batch in range(len(cuts)) if chance.random() < draw(st.sampled_from([0, 0.3]))}
    return Case(draw(st.sampled_from(rules)), [made[at] for at in order], cuts, crashes)


def said(rule: Rule, episode: Episode) -> tuple[Any, ...]:
    measure = episode.measures.get(rule.measures[0])
    times = (episode.started_at, episode.opened_at, episode.ended_at, episode.settled_at, episode.end)
    numbers = None if measure is None else (measure.count, measure.avg, measure.low, measure.high)
    shown = tuple((row.recorded_at, row.event_id) for row in (*episode.evidence.first, *episode.evidence.last))
    return (*times, episode.event_count, numbers, fresh(rule, (episode.first_fresh_at, episode.last_fresh_at)), shown)


def expected(rule: Rule, found: Found) -> tuple[Any, ...]:
    shown = tuple((row.at, row.id) for row in (*found.rows[:20], *found.rows[-20:]))
    numbers = found.measure(rule.measures[0])
    return (*found.times, found.settled_at, found.end, len(found.rows), numbers, fresh(rule, found.fresh), shown)


def fresh(rule: Rule, times: Any) -> Any:
    """Of windows it depends on who completed them, and on who came with whom."""
    return times if rule.over == "reading" else None


def shell_of(case: Case, *, batches: list[list[Reading]], crashes: set[int] = frozenset()) -> Shell:  # type: ignore[assignment]
    shell = Shell(case.rule, USUAL)
    for number, batch in enumerate(batches):
        shell.receive(batch)
        if number in crashes:
            shell.crash()
    return shell


def holds(case: Case, shell: Shell) -> None:
    standing = [said(case.rule, each) for each in shell.standing]
    assert standing == [expected(case.rule, found) for found in episodes(case.rule, case.rows)]


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
    for episode, found in zip(standing, episodes(case.rule, case.rows), strict=True):
        measure = episode.measures.get(case.rule.measures[0])
        numbers = None if measure is None else (measure.count, measure.avg, measure.low, measure.high)
        assert episode.event_count == len(found.rows)
        assert numbers == found.measure(case.rule.measures[0])


def a_rolled_back_batch_leaves_no_trace(case: Case) -> None:
    shell = Shell(case.rule, USUAL)
    for batch in case.batches:
        shell.receive(batch, commits=False)
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
@pytest.mark.parametrize(
    ("kind", "tail", "times"),
    [("readings", 2, 40), ("readings", 8, 40), ("readings", 128, 40), ("windows", 2, 25), ("derived columns", 2, 25)],
)
def test_the_law_holds(law: Callable[[Case], None], kind: str, tail: int, times: int) -> None:
    @settings(
        max_examples=times,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        phases=[Phase.generate],
    )
    @given(cases(KINDS[kind]))
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
    return step._replace(since=dict.fromkeys(step.since, new.last_at))


def stands_still(state: Any, as_of: int) -> Any:
    return advancing._Step(state, state.as_of_us, (), {})


def sums_in_floats(rows: Any, every: Any, metrics: Any, *, real: Any = completing.steps_of) -> Any:
    """What the readings add up to in the order they come, and then is cut off."""
    made = real(rows, every, metrics)
    sums = made.sums.copy()
    for place, step in enumerate(made.step.tolist()):
        inside = rows.filter(pl.col("recorded_at").dt.timestamp("us") // length(every) == step)
        for name in made.metrics:
            total = sum(value for value in inside[name] if value is not None)
            sums[made.metrics.index(name), 1, place] = int(total * 1e6)
    return made._replace(sums=sums)


class Hasty(completing.Windows):  # type: ignore[name-defined,misc]
    """It gives the windows that are not over as well."""

    def complete(self, new: pl.DataFrame, **given: Any) -> Any:
        completed = super().complete(new, **given)
        kinds = {id(memory): window for window, memory in self._memory.items()}
        for change in completed.changes:
            window = kinds[id(change.memory)]
            open_ones = completing.windows_frame(change.steps, window, ("heart_rate",))
            received = open_ones.with_columns(received_at="recorded_at", fresh=pl.lit(True), event_id=None)  # noqa: FBT003
            ready = [completed.found[window]] if window in completed.found else []
            completed.found[window] = pl.concat((*ready, received), how="diagonal_relaxed")
        return completed


def nothing_of(steps: Any, people: Any) -> Any:
    return steps.picked(slice(0))


def by_the_next_hour(self: Usual, sets: Any, at: Any, *, real: Any = Usual._hours) -> Any:
    return (real(self, sets, at) + 1) % 24


def by_the_set_of_tomorrow(self: Usual, baselines: pl.DataFrame, *, real: Any = Usual.__init__) -> None:
    real(self, baselines.with_columns(pl.col("valid_from") - timedelta(minutes=10)))


def by_the_clock_of_greenwich(self: Usual, baselines: pl.DataFrame, *, real: Any = Usual.__init__) -> None:
    real(self, baselines.with_columns(zone=pl.lit("UTC")))


def of_somebody_else(self: Usual, rows: pl.DataFrame, *, real: Any = Usual.of) -> Any:
    return real(self, rows.with_columns(user_id=3 - pl.col("user_id")))


def across_people(rows: pl.DataFrame, name: str, known: pl.DataFrame, *, real: Any = deriving._with_rate) -> Any:
    everybody = pl.concat(known.with_columns(user_id=pl.lit(user, pl.Int64)) for user in (1, 2))
    return real(rows, name, everybody)


def follows_whatever_the_time(self: Crowd, batch: rows.Batch) -> Any:
    return (batch.hot_starts == batch.hot_ends) & (self._places_of(batch.users) >= 0)


READINGS, WINDOWS, DERIVED = KINDS
BROKEN = {
    "rows are not put in order": (READINGS, order_does_not_matter, advancing, "merged", unsorted_merge),
    "older rows are taken as new": (READINGS, order_does_not_matter, advancing, "PersonState", endless_reach),
    "an older row is put behind the others": (
        READINGS, order_does_not_matter, Crowd, "_follows", follows_whatever_the_time,
    ),
    "runs are lost between batches": (READINGS, batching_does_not_matter, advancing, "_fold", forgets_the_base),
    "it opens one row late": (READINGS, batching_does_not_matter, fold, "_opens", opens_at_the_next_row),
    "the end is put too late": (READINGS, batching_does_not_matter, fold, "_end", settles_too_late),
    "what stood before a crash is forgotten": (
        READINGS, crashes_do_not_matter, advancing, "_resumed", looks_at_nothing_before,
    ),
    "alerts are not recognised": (READINGS, no_episode_overlaps_another, reconciling, "_concerned", lambda *_: False),
    "values are rounded": (READINGS, counts_and_averages_are_those_of_the_rows, fold.Tally, "add", rounded_sums),
    "states share their runs": (READINGS, a_rolled_back_batch_leaves_no_trace, fold.Run, "copy", lambda run: run),
    "a changed window is another row": (WINDOWS, order_does_not_matter, advancing, "newest", lambda _, rows: rows),
    "time without a row is ignored": (WINDOWS, batching_does_not_matter, advancing, "_passed", stands_still),
    "sums are in floats": (WINDOWS, counts_and_averages_are_those_of_the_rows, completing, "steps_of", sums_in_floats),
    "a window is seen before it is over": (WINDOWS, batching_does_not_matter, seen, "Windows", Hasty),
    "the start of a window is forgotten": (WINDOWS, batching_does_not_matter, completing.Steps, "of", nothing_of),
    "the hour that follows": (DERIVED, batching_does_not_matter, Usual, "_hours", by_the_next_hour),
    "the baseline of tomorrow": (DERIVED, batching_does_not_matter, Usual, "__init__", by_the_set_of_tomorrow),
    "the hour of Greenwich": (DERIVED, batching_does_not_matter, Usual, "__init__", by_the_clock_of_greenwich),
    "the baseline of another": (DERIVED, batching_does_not_matter, Usual, "of", of_somebody_else),
    "a rate within a second": (DERIVED, batching_does_not_matter, deriving, "_LEAST_US", 1),
    "a rate over more than ten minutes": (DERIVED, batching_does_not_matter, deriving, "_REACH_US", 10**12),
    "a rate across people": (DERIVED, batching_does_not_matter, deriving, "_with_rate", across_people),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_the_law_catches_a_broken_engine(name: str) -> None:
    kind, law, where, what, broken = BROKEN[name]

    @settings(max_examples=400, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(cases(KINDS[kind]))
    def check(case: Case) -> None:
        with tail_of(2), patch.object(where, what, broken):
            law(case)

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        check()
