"""Two workers that both get a person's readings: everything is as if one had got all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from threading import Event, Thread
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from alerts.models import Alert, DetectionState
from devices.models import MetricWindow, Reading, User
from ingestion.models import PersonWriter
from ingestion.stream import pipeline
from ingestion.stream.batch import Position
from ingestion.write import writers
from ingestion.write.ledger import Owner
from tests.alerts.feeding import NOON, RACING, at, load
from tests.chaos.traffic import event_of
from tests.ingestion.running import until
from tests.ingestion.stream.test_pipeline import Shop
from tests.made import make_installation

pytestmark = pytest.mark.django_db(transaction=True)
WARM = """
id: warm
alert_type: WARM
title: Some minutes of a fast heart
severity: MEDIUM
over: window(5m, every 1m)
when: avg_heart_rate > 95
max_gap: 5m
measures: [avg_heart_rate]
description: A test's rule.
falsepositives: [none]
references: [none]
"""
SPLIT, WHOLE = "split", "whole"
Beat = tuple[float, float]  # seconds after noon, and the rate


@pytest.fixture(autouse=True)
def _rules() -> None:
    make_installation()
    load(RACING, WARM)


def worker(number: int) -> Shop:
    """One that owns the partition of this number, from its beginning."""
    return Shop(position=Position("t", number), owner=Owner(f"worker {number}", "group", "cluster"))


def send(to: Shop, person: str, *beats: Beat, now: float | None = None) -> None:
    moment = at(now if now is not None else max(second for second, _ in beats))
    to.write(*(event_of(person, rate, at(second)) for second, rate in beats), now=moment)


def rest(*workers: Shop, now: float) -> None:
    """What workers do when nothing comes."""
    for each in workers:
        each.judge_late(now=at(now))
    for each in workers:
        each.detection.flush(at=at(now))


def found_of(person: str) -> dict[str, list[Any]]:
    """All that follows from a person's readings."""
    windows = MetricWindow.objects.filter(user__username=person).order_by("size_s", "ended_at")
    measured = ("count", "flags", "avg_heart_rate", "min_heart_rate", "max_heart_rate", "stddev_heart_rate")
    alerts = Alert.objects.filter(user__username=person).exclude(episode="withdrawn").order_by("rule", "started_at")
    said = ("rule__rule_id", "started_at", "opened_at", "ended_at", "event_count", "episode", "end", "measures")
    return {
        "readings": list(
            Reading.objects.filter(user__username=person).order_by("recorded_at").values_list("recorded_at", "flags")
        ),
        "windows": list(windows.values_list("size_s", "ended_at", "received_at", "is_fresh", *measured)),
        "alerts": list(alerts.values_list(*said)),
    }


def assert_as_whole() -> None:
    split, whole = found_of(SPLIT), found_of(WHOLE)
    for what, rows in whole.items():
        assert rows, what
        assert split[what] == rows, what


def beats_of(random: Random) -> list[list[Beat]]:
    """Batches of twenty minutes of a heart that races now and then, in disorder, and some of it late."""
    arriving = []
    for second in range(0, 1500, 5):
        delay = random.choice((0.0,) * 16 + (10.0, 40.0, 90.0, 700.0))
        arriving.append((second + delay, (float(second), float(80 + 45 * (second // 120 % 2) + second % 7))))
    arriving.sort()
    batches, left = [], [beat for _, beat in arriving]
    while left:
        size = random.randint(1, 25)
        batches.append(left[:size])
        left = left[size:]
    return batches


@pytest.mark.parametrize("seed", range(4))
def test_a_person_of_two_workers_in_turn_is_as_one_of_a_single_worker(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # no secret
    one, two, alone = worker(0), worker(1), worker(2)
    now = 0.0
    for batch in beats_of(random):
        now = max(now, *(second for second, _ in batch))
        send(random.choice((one, two)), SPLIT, *batch, now=now)
        send(alone, WHOLE, *batch, now=now)
        if random.random() < 0.3:
            rest(random.choice((one, two)), alone, now=now)
        if random.random() < 0.1:
            random.choice((one, two)).pipeline.drop_state()
    rest(one, two, alone, now=now + 1)
    rest(one, two, alone, now=now + 2)
    assert any(flags for _, flags in found_of(WHOLE)["readings"])
    assert_as_whole()


def test_what_a_worker_has_yet_to_rewrite_never_undoes_what_another_wrote_since() -> None:
    one, two = worker(0), worker(1)
    send(one, SPLIT, *((second, 120.0) for second in range(0, 40, 10)))
    one.detection.flush(at=at(30))
    send(one, SPLIT, (40.0, 120.0), now=30.5)  # too soon for a second rewrite: it is owed
    assert Alert.objects.get(rule__rule_id="racing").event_count == 4
    send(two, SPLIT, (50.0, 120.0), (60.0, 120.0))
    assert Alert.objects.get(rule__rule_id="racing").event_count == 7
    one.detection.flush(at=at(61.5))
    assert Alert.objects.get(rule__rule_id="racing").event_count == 7


def test_what_a_worker_has_yet_to_rewrite_is_rewritten_though_the_person_went_to_another() -> None:
    one, two = worker(0), worker(1)
    send(one, SPLIT, *((second, 120.0) for second in range(0, 40, 10)))
    one.detection.flush(at=at(30))
    send(one, SPLIT, (40.0, 120.0), now=30.5)
    send(two, SPLIT, (40.0, 120.0), now=41.0)  # the same again: nothing is new
    one.detection.flush(at=at(42))
    assert Alert.objects.get(rule__rule_id="racing").event_count == 5


def test_our_clock_completes_no_windows_of_who_went_to_another_worker() -> None:
    one, two = worker(0), worker(1)
    send(one, SPLIT, (3600.0, 70.0))
    send(two, SPLIT, (3601.0, 71.0), (3602.0, 72.0), now=4100.0)
    assert passed(one, 4250.0) == []
    assert not MetricWindow.objects.exists()
    assert passed(two, 4710.0) == [3]


def passed(of: Shop, second: float) -> list[int]:
    """Let the clock of a worker come to this, and say how much the minutes then hold."""
    of.pipeline.pass_time(first={of.position: of.next}, claims=of.claims, at=at(second))
    return list(MetricWindow.objects.filter(size_s=60).values_list("count", flat=True))


def test_no_snapshot_is_saved_of_who_went_to_another_worker() -> None:
    one, two = worker(0), worker(1)
    load(RACING.replace("max_gap: 60s", "max_gap: 5h").replace("count: 3, within: 60s", "count: 900, within: 24h"))
    for each in (one, two):
        each.detection.read_rules(at=at(3))
    send(one, SPLIT, *((second, 120.0) for second in range(0, 7200, 60)))
    send(two, SPLIT, (7260.0, 80.0))
    one.pipeline.tidy(first={one.position: one.next}, claims=one.claims, at=at(7300))
    assert not DetectionState.objects.exists()


@contextmanager
def held_open(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> Iterator[None]:
    """Work in another thread, on a connection of its own, whose transaction stays open until the block is left."""
    is_open, may_commit = Event(), Event()
    raised: list[BaseException] = []

    def reach(point: str) -> None:
        if point == "before_commit" and not is_open.is_set():
            is_open.set()
            assert may_commit.wait(20)

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised where the test sees it
            raised.append(error)
        finally:
            connections.close_all()

    monkeypatch.setattr(pipeline, "reach", reach)
    thread = Thread(target=run)
    thread.start()
    assert is_open.wait(20)
    try:
        yield
    finally:
        may_commit.set()
        thread.join(20)
    assert not thread.is_alive()
    assert not raised


def is_waited_for() -> bool:
    """Whether a session of this database waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("is_known", [True, False], ids=["a person known before", "a person nobody met"])
def test_who_takes_a_person_over_waits_until_what_the_other_does_is_done(
    monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    one, two, alone = worker(0), worker(1), worker(2)
    batches = [[(float(second), 120.0) for second in range(first, first + 30, 5)] for first in range(0, 150, 30)] + [
        [(800.0, 70.0)],
        [(150.0, 120.0), (805.0, 71.0), (900.0, 70.0)],
    ]
    if is_known:
        send(one, SPLIT, (-60.0, 70.0))
        send(alone, WHOLE, (-60.0, 70.0))
    else:
        User.objects.create_user(SPLIT)
    turns = iter([one, two] * len(batches))
    for first, second in zip(batches[::2], [*batches[1::2], []], strict=True):
        holder, taker = next(turns), next(turns)
        with held_open(monkeypatch, lambda holder=holder, first=first: send(holder, SPLIT, *first)):
            thread = Thread(target=lambda taker=taker, second=second: in_thread(send, taker, SPLIT, *second))
            if second:
                thread.start()
                until(is_waited_for, within_s=20, every_s=0.01)
        if second:
            thread.join(20)
    for batch in batches:
        send(alone, WHOLE, *batch)
    rest(one, two, alone, now=901)
    assert_as_whole()


def in_thread(work: Callable[..., None], *arguments: Any) -> None:
    try:
        work(*arguments)
    finally:
        connections.close_all()


def test_two_that_take_from_each_other_at_once_never_wait_in_a_circle() -> None:
    people = [SPLIT, "another", "a third"]
    one, two, alone = worker(0), worker(1), worker(2)
    raised: list[BaseException] = []

    def play(shop: Shop, offset: float) -> None:
        try:
            for turn in range(25):
                beats = [(turn * 10 + offset, 120.0 if turn % 10 < 6 else 70.0)]
                shop.write(*(event_of(p, rate, at(s)) for p in people for s, rate in beats), now=at(260))
        except BaseException as error:  # noqa: BLE001  # raised where the test sees it
            raised.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=play, args=(shop, offset)) for shop, offset in ((one, 0.0), (two, 5.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not raised
    send(one, SPLIT, (600.0, 70.0))
    rest(one, two, now=601)
    times = dict(found_of(SPLIT)["readings"])
    assert len(times) == 51
    for turn in range(25):
        rate = 120.0 if turn % 10 < 6 else 70.0
        send(alone, WHOLE, (turn * 10, rate), (turn * 10 + 5.0, rate), now=260)
    send(alone, WHOLE, (600.0, 70.0))
    rest(alone, now=601)
    split, whole = found_of(SPLIT), found_of(WHOLE)
    assert [row[4] for row in split["windows"]] == [row[4] for row in whole["windows"]]
    assert split["alerts"] == whole["alerts"]


def test_a_worker_that_is_kept_waiting_for_long_says_so_and_another_time_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writers, "PATIENCE_MS", 100)
    one, two = worker(0), worker(1)
    send(one, SPLIT, (0.0, 70.0))
    with held_open(monkeypatch, lambda: send(one, SPLIT, (1.0, 70.0))), pytest.raises(OperationalError):
        send(two, SPLIT, (2.0, 70.0))
    two.pipeline.drop_state()
    two.next = 0
    send(two, SPLIT, (2.0, 70.0))
    assert len(found_of(SPLIT)["readings"]) == 3


def test_strangers_who_come_along_with_somebody_who_is_taken_over_are_made_once() -> None:
    one, two = worker(0), worker(1)
    send(one, SPLIT, (0.0, 70.0))
    two.write(event_of(SPLIT, 70, at(1)), event_of("stranger", 70, at(1)), now=at(1))
    assert len(found_of(SPLIT)["readings"]) == 2
    assert len(found_of("stranger")["readings"]) == 1


def test_who_writes_for_a_person_is_forgotten_with_the_person() -> None:
    one = worker(0)
    send(one, SPLIT, (0.0, 70.0))
    send(one, WHOLE, (0.0, 70.0))
    assert PersonWriter.objects.count() == 2
    User.objects.get(username=SPLIT).delete()
    assert PersonWriter.objects.get().user.username == WHOLE


def test_a_worker_asks_once_a_batch_and_writes_nothing_while_its_people_stay_its_own(
    django_assert_max_num_queries: Any,
) -> None:
    one = worker(0)
    people: list[str] = [f"person {number}" for number in range(20)]
    moment: datetime = NOON
    for _ in range(2):
        moment += timedelta(seconds=1)
        with django_assert_max_num_queries(100) as asked:
            one.write(*(event_of(person, 70, moment) for person in people), now=moment)
    said = [query["sql"] for query in asked.captured_queries]
    assert [sql for sql in said if "ingestion_personwriter" in sql and not sql.startswith("SELECT n.name")] == []
    assert sum("pg_advisory" in sql for sql in said) == 1
