"""What is remembered of windows between batches: whatever happens to it, they are what a recount says."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from alerts.engine import Window, complete_windows
from alerts.engine.clock import microseconds
from devices.metrics import Flag
from devices.plausible import NEVER
from ingestion.evaluate.receipts import People
from ingestion.evaluate.windows import MINUTE, Completed, Windows
from tests.ingestion.rows import frame, row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEN = Window(timedelta(minutes=10), timedelta(minutes=10))
SLIDING = Window(timedelta(minutes=5), timedelta(minutes=1))
FINE = Window(timedelta(minutes=1), timedelta(seconds=20))
METRICS = ("heart_rate", "spo2_percent", "skin_temp_c")
RATE, BOTH = ("heart_rate",), ("heart_rate", "spo2_percent")
KINDS: dict[Window, Sequence[str]] = {TEN: RATE, SLIDING: RATE, FINE: BOTH}
SEEN = {MINUTE: METRICS, TEN: METRICS, SLIDING: RATE, FINE: BOTH}
Row = dict[str, Any]


class Keeper:
    """The stored readings, the windows that were found of them, and what makes these."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.found: dict[Window, dict[tuple[int, datetime], Row]] = {}
        self.reads = 0
        self.windows = Windows(freshness=timedelta(minutes=15), metrics=METRICS, read=self._read)

    def complete(self, new: list[Row], *, wanted: dict[Window, Sequence[str]] = KINDS) -> Completed:
        """Inside the transaction that stores them, which may be undone."""
        users = sorted({each["user_id"] for each in new})
        before = [self._reached(self.rows, user) for user in users]
        after = [self._reached(self.rows + new, user) for user in users]
        people = People(*(np.array(column, np.int64) for column in (users, before, after)))
        self._visible = self.rows + new
        return self.windows.complete(frame(*new), people=people, wanted=wanted)

    def keep(self, new: list[Row], completed: Completed) -> None:
        self.rows += new
        for window, rows in completed.found.items():
            theirs = self.found.setdefault(window, {})
            theirs |= {(each["user_id"], each["recorded_at"]): each for each in rows.iter_rows(named=True)}
        self.windows.keep(completed)

    def write(self, *new: Row) -> None:
        self.keep(list(new), self.complete(list(new)))

    def assert_counted_right(self, seen: dict[Window, Sequence[str]] = SEEN) -> None:
        for window, metrics in seen.items():
            right = complete_windows(frame(*self.rows), window, metrics).filter(pl.col("count").is_not_null())
            names = ["flags", "count", *(name for name in right.columns if name.endswith(metrics))]
            expected = {
                (user, at): rest for user, at, *rest in right.select("user_id", "recorded_at", *names).iter_rows()
            }
            found = self.found.get(window, {})
            assert {key: [each[name] for name in names] for key, each in found.items()} == expected, window

    def _reached(self, rows: list[Row], user: int) -> int:
        return max((microseconds(each["recorded_at"]) for each in rows if each["user_id"] == user), default=NEVER)

    def _read(self, people: Sequence[int], since: Sequence[datetime], until: Sequence[datetime | str]) -> pl.DataFrame:
        self.reads += 1
        spans = [
            (user, start, None if isinstance(end, str) else end)
            for user, start, end in zip(people, since, until, strict=True)
        ]
        held = [
            each for user, start, end in spans for each in self._visible
            if each["user_id"] == user and start <= each["recorded_at"] and (end is None or each["recorded_at"] < end)
        ]  # fmt: skip
        return frame(*held)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def said(number: int, user: int, seconds: float, **values: float | None) -> Row:
    at = NOON + timedelta(seconds=seconds)
    return row(number, user_id=user, recorded_at=at, received_at=at, **values)


def life(random: Random) -> Iterator[list[Row]]:
    """Batches of what some people say: each of some of them, once or often, most in order, some of it long ago."""
    second, number = 0.0, 0
    for _ in range(random.randrange(5, 40)):
        second += random.choice([0.5, 2, 2, 9, 70])
        batch = []
        for user in random.sample(range(1, 7), random.randrange(1, 7)):
            for _ in range(random.choice([1, 1, 1, 2, 3, 12])):
                number += 1
                late = random.choice([0, 0, 0, 0, 0, 1, 30, 90, 900])
                values = {name: random.choice([None, round(random.uniform(30, 200), 2)]) for name in BOTH}
                if random.random() < 0.03:
                    values["skin_temp_c"] = round(random.uniform(30, 36), 2)
                flags = random.choice([0] * 9 + [int(Flag.SUSPECT_HEART_RATE)])
                batch.append(said(number, user, second + random.uniform(0, 2) - late, flags=flags, **values))
        yield random.sample(batch, len(batch))


@pytest.mark.parametrize("seed", range(30))
def test_windows_are_what_a_recount_says_whatever_happens_to_what_is_remembered(seed: int, keeper: Keeper):
    random = Random(seed)  # noqa: S311  # no secret
    for new in life(random):
        if random.random() < 0.2:  # undone, and done with what is new of it alone
            keeper.complete([*new, *random.sample(keeper.rows, min(3, len(keeper.rows)))])
        completed = keeper.complete(new)
        if random.random() < 0.1:
            keeper.windows.forget(random.sample(range(1, 7), 2))
        if random.random() < 0.05:
            keeper.windows.drop()
        keeper.keep(new, completed)
        if random.random() < 0.1:
            keeper.windows.forget(random.sample(range(1, 7), 2))
    keeper.assert_counted_right()
    assert len(keeper.found[MINUTE]) > 3


def test_a_batch_that_is_undone_adds_nothing(keeper: Keeper):
    keeper.write(said(1, 1, 0, heart_rate=60), said(2, 2, 0, heart_rate=60))
    for _ in range(3):
        keeper.complete([said(3, 1, 1, heart_rate=90), said(4, 2, 61, heart_rate=90)])
    keeper.write(said(5, 1, 2, heart_rate=70))
    keeper.write(said(6, 1, 700, heart_rate=80), said(7, 2, 700, heart_rate=80))
    keeper.assert_counted_right()
    assert keeper.reads == 0


def test_kinds_of_windows_share_nothing_that_grows(keeper: Keeper):
    for second in range(8):
        keeper.write(*(said(10 * second + user, user, second, heart_rate=60 + second) for user in (1, 2, 3)))
    keeper.write(*(said(90 + user, user, 601, heart_rate=60) for user in (1, 2, 3)))
    keeper.assert_counted_right()
    assert {each["count"] for window in (MINUTE, TEN) for each in keeper.found[window].values()} == {8}


def test_of_somebody_who_was_forgotten_before_the_commit_nothing_is_remembered_in_part(keeper: Keeper):
    keeper.write(said(1, 1, 0, heart_rate=60), said(2, 2, 0, heart_rate=60))
    new = [said(3, 1, 1, heart_rate=70), said(4, 2, 1, heart_rate=70)]
    completed = keeper.complete(new)
    keeper.windows.forget([1])
    keeper.keep(new, completed)
    keeper.write(said(5, 1, 2, heart_rate=80), said(6, 2, 2, heart_rate=80))
    assert keeper.reads == len(SEEN)  # of the one, not of the other
    keeper.write(said(7, 1, 700, heart_rate=80), said(8, 2, 700, heart_rate=80))
    keeper.assert_counted_right()


def test_what_was_found_for_kinds_that_are_not_wanted_any_more_is_not_kept(keeper: Keeper):
    for second in (0, 1):
        new = [said(second, 1, second, heart_rate=60, spo2_percent=97)]
        completed = keeper.complete(new)
        keeper.windows.pass_time({}, at=NOON, wanted=KINDS | {SLIDING: BOTH})
        keeper.keep(new, completed)
        keeper.windows.pass_time({}, at=NOON, wanted=KINDS | {SLIDING: BOTH})
    new = [said(2, 1, 400, heart_rate=60)]
    keeper.keep(new, keeper.complete(new, wanted=KINDS | {SLIDING: BOTH}))
    keeper.assert_counted_right({**SEEN, SLIDING: BOTH})


def test_a_metric_that_comes_in_the_midst_of_a_window_is_counted_and_so_are_those_without(keeper: Keeper):
    keeper.write(said(1, 1, 0, heart_rate=60), said(2, 2, 0, heart_rate=60))
    keeper.write(said(3, 1, 1, skin_temp_c=33.5), said(4, 2, 1, heart_rate=61))
    keeper.write(said(5, 1, 2), said(6, 2, 2, spo2_percent=97))
    keeper.write(said(7, 1, 700), said(8, 2, 700))
    keeper.assert_counted_right()
    of_first = keeper.found[TEN][1, NOON + timedelta(minutes=10)]
    assert (of_first["count_skin_temp_c"], of_first["count_spo2_percent"], of_first["avg_spo2_percent"]) == (1, 0, None)


def test_who_is_met_while_a_window_of_another_is_over_is_remembered(keeper: Keeper):
    keeper.write(said(1, 1, 0, heart_rate=60))
    keeper.write(said(2, 1, 700, heart_rate=60), said(3, 2, 700, heart_rate=60))
    keeper.write(said(4, 2, 1400, heart_rate=60))
    keeper.assert_counted_right()
    assert keeper.reads == 0


@pytest.mark.parametrize("every", [1, 2, 10])
def test_of_many_people_who_do_not_all_send_each_has_their_own(every: int, keeper: Keeper):
    everybody = range(1, 41)
    keeper.write(*(said(user, user, 0, heart_rate=60 + user) for user in everybody))
    for second in range(1, 4):
        values = {"heart_rate": 99.0} if second == 1 else {"heart_rate": second, "spo2_percent": 97.0}
        keeper.write(*(said(100 * second + user, user, second, **values) for user in everybody[::every]))
    keeper.write(*(said(900 + user, user, 700) for user in everybody))
    keeper.assert_counted_right()
    assert keeper.reads == 0


def test_what_nobody_sends_takes_no_memory(keeper: Keeper):
    everybody = range(1, 1001)
    for second in range(3):
        keeper.write(*(said(1000 * second + user, user, second, heart_rate=60) for user in everybody))
    heads, values = 4 * 3 * 8 + 4 * 8, 4 * (4 + 2) * 8  # four kinds: key, rows, flags and who is known; one metric
    assert keeper.windows.size == 1000 * (heads + values)
