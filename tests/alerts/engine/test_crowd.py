"""A crowd remembers of each person what their own state would, wherever their rows lie."""

import importlib
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest

from alerts.engine import Advance, PersonState, RuleSet, advance, new_person
from alerts.engine.crowd import Crowd, Times
from alerts.engine.rings import Rings
from alerts.engine.rows import AT, ID_LOW, batch_of
from tests.alerts.engine.made import rule
from tests.alerts.engine.seen import frame
from tests.alerts.engine.shell import START, reading
from tests.alerts.engine.twin import Reading

advancing = importlib.import_module("alerts.engine.advance")
crowding = importlib.import_module("alerts.engine.crowd")
ringing = importlib.import_module("alerts.engine.rings")
RULES = RuleSet([rule(), rule(id="three", count=3, max_gap=30)])


def frames(rows: dict[int, list[Reading]]) -> pl.DataFrame:
    return pl.concat([frame([]), *(frame(readings, user) for user, readings in rows.items())])


class Town:
    """People with a crowd, and all that is stored of them."""

    def __init__(self) -> None:
        self.crowd = Crowd(RULES)
        self.stored: dict[int, list[Reading]] = defaultdict(list)

    def receive(self, rows: dict[int, list[Reading]], *, commits: bool = True) -> Advance:
        step = self.crowd.advance(frames(rows))
        if commits:
            for user, new in rows.items():
                self.stored[user] += new
            self.crowd.keep(step)
            self.crowd.keep(Advance({user: self.alone(user) for user in step.unreached}))
        return step

    def alone(self, user: int) -> PersonState:
        """What is remembered of somebody who is judged by themselves."""
        return advance(RULES, {user: new_person(RULES)}, frame(self.stored[user], user)).states[user]

    def holds(self) -> None:
        for user, readings in self.stored.items():
            state, table = (
                self.crowd.get(user),
                batch_of(RULES, frame(readings, user), timedelta(minutes=15)).rows.table,
            )
            assert state is not None
            assert state.as_of_us == table[-1, AT] == self.crowd.as_of(user)
            np.testing.assert_array_equal(state.tail.table, table[table[:, AT] > state.reach])
            assert len(state.tail.table) >= min(len(table), advancing.TAIL)
            assert {n: run.started_at for n, run in state.runs.items()} == {
                n: run.started_at for n, run in self.alone(user).runs.items()
            }


def crowded(seed: int) -> None:
    """A dozen people, batches with few and many rows of each, now and then TRUE, out of order, or undone."""
    chance, town, clock = random.Random(seed), Town(), [0.0] * 12  # noqa: S311  # of a test
    for _ in range(25):
        rows: dict[int, list[Reading]] = {}
        for user in chance.sample(range(12), chance.randint(1, 12)):
            is_loud = chance.random() < 0.2
            for _ in range(chance.choice((1, 1, 2, 9))):
                clock[user] += chance.choice((1, 5))
                second = clock[user] - (chance.choice((2.5, 30.5)) if chance.random() < 0.05 else 0)
                rate = 120 if is_loud and chance.random() < 0.5 else 70
                rows.setdefault(user, []).append(reading(second, chance.getrandbits(40), heart_rate=rate))
        if chance.random() < 0.2:
            town.receive(rows, commits=False)
        town.receive(rows)
        town.holds()


def crowds(seeds: Iterable[int]) -> None:
    with patch.object(advancing, "TAIL", 6):
        for seed in seeds:
            crowded(seed)


@pytest.mark.parametrize("seed", range(12))
def test_it_remembers_what_each_persons_own_state_would(seed: int) -> None:
    crowds([seed])


def forgets_how_far_back_it_reaches(self: Rings, *rows: Any, real: Any = Rings.append) -> None:
    reach = self._reach.copy()
    real(self, *rows)
    self._reach = reach


def overwrites_the_newest(self: Rings, place: int, state: PersonState, *, real: Any = Rings.put) -> None:
    real(self, place, state)
    self._total[place] -= len(state.tail.table) > 1


def changes_what_it_knows(self: Crowd, rows: pl.DataFrame, *, real: Any = Crowd.advance) -> Advance:
    step: Advance = real(self, rows)
    self._append(step.followed)  # type: ignore[arg-type]
    return step


@pytest.mark.parametrize(
    ("where", "what", "broken"),
    [
        (Rings, "append", forgets_how_far_back_it_reaches),
        (Rings, "put", overwrites_the_newest),
        (Crowd, "advance", changes_what_it_knows),
        (Crowd, "_follows", lambda crowd, batch: crowd._places_of(batch.users) >= 0),
    ],
)
def test_a_broken_crowd_is_caught(where: Any, what: str, broken: Any) -> None:
    with patch.object(where, what, broken), pytest.raises((AssertionError, IndexError)):
        crowds(range(12))


def test_more_people_than_one_table_holds() -> None:
    town = Town()
    with patch.object(crowding, "PEOPLE", 16), patch.object(ringing, "PEOPLE", 16):
        for second in range(4):
            town.receive({user: [reading(second, user, heart_rate=70)] for user in range(10 * (second + 1))})
        town.holds()
    assert len(town.stored) == 40
    assert len(town.crowd._rings) == 3


def test_who_is_forgotten_is_nobody_and_leaves_a_place_to_others() -> None:
    town = Town()
    town.receive({user: [reading(1, user, heart_rate=70)] for user in range(3)})
    for turn in range(7):
        user, step = turn % 3, {turn % 3: [reading(2 + turn, heart_rate=70)]}
        town.crowd.forget([user])
        del town.stored[user]
        assert town.crowd.get(user) is None
        assert town.crowd.as_of(user) is None
        assert town.receive(step).unreached == {user: START + timedelta(seconds=2 + turn)}
        town.holds()
    assert sorted(town.crowd._places.values()) == [0, 1, 2]


def test_who_is_forgotten_before_a_batch_is_kept_stays_forgotten() -> None:
    crowd = Crowd(RULES)
    crowd.keep(Advance({1: new_person(RULES), 2: new_person(RULES)}))
    step = crowd.advance(frames({1: [reading(1, heart_rate=70)], 2: [reading(1, heart_rate=70)]}))
    crowd.forget([1])
    crowd.keep(step)
    assert crowd.get(1) is None
    assert len(crowd.get(2).tail.table) == 1  # type: ignore[union-attr]


def test_under_other_rules_all_is_remembered_that_both_know() -> None:
    town = Town()
    town.receive({1: [reading(1, 1, heart_rate=70)], 2: [reading(1, 2, heart_rate=120)]})
    more = RuleSet([*RULES.rules, rule("heart_rate > 60", id="sixty")])
    town.crowd.under(more)
    step = town.crowd.advance(frames({1: [reading(2, 3, heart_rate=90)], 2: [reading(2, 4, heart_rate=130)]}))
    assert not step.unreached
    town.crowd.keep(step)
    quiet, loud = town.crowd.get(1), town.crowd.get(2)
    assert quiet is not None
    assert loud is not None
    assert [row[ID_LOW] & 7 for row in quiet.tail.table] == [1, 3]
    assert {more.rules[number].id: run.event_count for number, run in loud.runs.items()} == {
        "made": 2,
        "three": 2,
        "sixty": 1,
    }


def test_time_passes_for_those_alone_for_whom_it_matters() -> None:
    crowd = Crowd(RULES)
    crowd.keep(Advance({1: new_person(RULES), 2: new_person(RULES)}))
    crowd.keep(crowd.advance(frames({1: [reading(0, heart_rate=70)], 2: [reading(0, heart_rate=120)]})))
    at = int((START + timedelta(hours=1)).timestamp() * 1_000_000)
    step = crowd.advance(frames({}), as_of=Times(np.array([1, 2, 3]), np.full(3, at)))
    assert list(step.states) == [2]
    assert [len(stretch.episodes) for stretch in step.stretches] == [1]
    assert step.unreached == {3: START + timedelta(hours=1)}
