"""Where a person's past may be cut, so that a restart re-reads little and changes nothing."""

from collections import deque
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from alerts.engine import RuleKey, RuleSet
from alerts.engine.clock import microseconds
from alerts.engine.fold import Run, Tally
from alerts.engine.snapshot import Snapshot
from alerts.models import Alert, Rule
from alerts.rebuild import new_people, rebuild
from alerts.rule_versions import active_rule_versions
from alerts.snapshots import snapshots_save
from alerts.stored_rows import rows_within
from devices.models import User
from tests.alerts.feeding import RACING, Feed, at, beats, load, person_one, the_alert
from tests.made import make_alert, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
LASTING = RACING.replace("sustained: {count: 3, within: 60s}", "sustained: {count: 2, for: 10m}")
KEY = RuleKey("racing", 1)


def cut(second: float) -> datetime:
    """From when on the rows of person one are read again for a row of that second."""
    rules = RuleSet(active_rule_versions(at(0)))
    again = rebuild(rules, {person_one().pk: at(second)})
    floors = again.states[person_one().pk].floors or {}
    (floor,) = floors.values()
    return datetime.fromtimestamp(floor / 1e6, tz=at(0).tzinfo)


def test_of_a_new_person_nothing_is_pending():
    load(RACING)
    Feed()
    assert cut(100) == at(100)


def test_after_an_ordinary_reading_nothing_is_pending():
    load(RACING)
    Feed().send(*beats(0, 2), (2, 80))
    assert cut(10) == at(10)


def test_a_run_that_has_not_opened_is_read_from_its_first_row():
    load(RACING)
    Feed().send((0, 80), *beats(1, 2), (2.5, 120))
    Alert.objects.all().delete()
    assert cut(10) == at(1)


def test_an_open_episode_is_read_from_its_start():
    load(RACING)
    feed = Feed()
    feed.send(*beats(0, 60, step=20))
    assert the_alert().episode == "firing"
    assert cut(60 * 20) == at(0)


def test_it_looks_no_further_than_a_gap():
    load(RACING)
    Feed().send((0, 120), (1, 120), (500, 120), (501, 120))
    assert cut(510) == at(500)


def test_a_long_run_is_found_to_its_beginning_after_a_restart():
    load(LASTING)
    feed = Feed()
    feed.send(*beats(0, 19, step=30))
    assert not Alert.objects.exists()
    feed.restart()
    feed.send((570, 120), now=580)
    feed.send((600, 120), now=610)
    assert (the_alert().started_at, the_alert().event_count) == (at(0), 21)


def test_nothing_is_read_again_beyond_the_end_of_the_last_episode():
    load(RACING)
    feed = Feed()
    feed.send(*beats(0, 3), (3, 80), (4, 120))
    assert cut(10) == at(4)
    feed.send((5, 80))
    assert cut(10) == at(10)


def test_rows_that_a_version_did_not_see_are_not_its_past():
    load(RACING)
    feed = Feed()
    feed.send(*beats(0, 2), now=3)
    load(RACING.replace("> 100", "> 110"), when=at(5))
    rules = RuleSet(active_rule_versions(at(10)))
    floors = rebuild(rules, {person_one().pk: at(10)}).states[person_one().pk].floors or {}
    assert {rules.keys[number].version: floor / 1e6 - at(0).timestamp() for number, floor in floors.items()} == {
        1: 0, 2: 10,
    }  # fmt: skip


def test_all_rows_from_the_cut_on_are_given():
    load(RACING)
    feed = Feed()
    feed.send((0, 80), (1, 120), (2, 120))
    rules = RuleSet(active_rule_versions(at(0)))
    (rows,) = rebuild(rules, {person_one().pk: at(3)}).pieces
    assert sorted(rows["recorded_at"].to_list()) == [at(1), at(2)]
    assert rows["heart_rate"].to_list() == [120, 120]
    assert KEY in rules.keys


def standing_of(person: User) -> list[tuple[Any, ...]]:
    alerts = Alert.objects.standing().filter(user=person).order_by("started_at")
    told = ("started_at", "opened_at", "ended_at", "settled_at", "end", "event_count", "measures")
    return list(alerts.values_list(*told))


@pytest.mark.parametrize("over", ["reading", "window(1m)"])
def test_however_long_a_past_is_only_a_piece_of_it_is_in_memory(monkeypatch: pytest.MonkeyPatch, over: str):
    column = "heart_rate" if over == "reading" else "avg_heart_rate"
    lasting = RACING.replace("{count: 3, within: 60s}", "{count: 3}").replace("max_gap: 60s", "max_gap: 2m")
    load(lasting.replace("over: reading", f"over: {over}").replace("heart_rate", column))
    streaks = ((0, 30, 120), (600, 10, 80), (800, 50, 120), (1800, 10, 80), (2000, 30, 120))
    past = [beat for start, count, rate in streaks for beat in beats(start, count, rate, step=20)]
    feed, person, held = Feed(), make_wearer("at_last"), list[pl.DataFrame]()
    feed.send(*past, (2590, 120), (30, 130), (4000, 80))
    expected = standing_of(person_one())
    assert len(expected) == 3
    feed.send(*past, (4000, 80), user=person)

    def spied(*spans: Any) -> pl.DataFrame:
        held.append(rows_within(*spans))
        return held[-1]

    monkeypatch.setattr("alerts.stored_rows.PIECE", 7)
    monkeypatch.setattr("alerts.rebuild.rows_within", spied)
    monkeypatch.setattr(feed.evaluation._windows, "_read", spied)
    feed.send((2590, 120), (30, 130), now=4001, user=person)
    assert standing_of(person) == expected
    assert len(held) > 15
    assert max(rows.height for rows in held) <= 7 + 2 * 3  # and the rest of the minutes that it begins and ends in


@pytest.mark.parametrize(("tallies", "second"), [(1, 3_000.000001), (2, 0)])
def test_a_snapshot_of_a_rule_that_measured_something_else_is_not_gone_on_from(tallies: int, second: float):
    load(LASTING.replace("10m", "2h"))
    Feed().send(*beats(0, 200, step=30))
    run = Run(microseconds(at(0)), [Tally() for _ in range(tallies)], deque(maxlen=2), microseconds(at(3_000)))
    snapshot = Snapshot(at(3_000), frozenset([KEY]), {KEY: run})
    snapshots_save(source="reading", found={person_one().pk: snapshot}, at=at(6_000))
    assert cut(6_000) == at(second)


def test_only_those_are_new_of_whom_nothing_else_is_stored():
    load(RACING)
    feed = Feed()
    other = make_wearer("person_2")
    feed.send((0, 80))
    feed.send((1, 80), (2, 80))
    feed.send((1, 80), (2, 80), user=other)
    assert new_people({person_one().pk: 2, other.pk: 2}) == {other.pk}
    make_alert(other, rule=Rule.objects.get())
    assert new_people({other.pk: 2}) == set()
