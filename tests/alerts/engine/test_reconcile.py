"""What becomes of alerts when a stretch is judged again, and who is told."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.engine import Create, Episode, RuleKey, RuleSet, Stretch, Update, Withdraw, advance, delivery, new_person
from alerts.engine import reconcile as reconcile_
from tests.alerts.engine.made import rule
from tests.alerts.engine.shell import START, frame, reading

KEY = RuleKey("made", 1)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def episode(start: float, end: float, settled: float | None = None) -> Episode:
    rules = RuleSet([rule(max_gap=1000)])
    rows = frame([reading(start, heart_rate=120), reading(end, 1, heart_rate=120)])
    (stretch,) = advance(rules, {1: new_person(rules)}, rows).stretches
    (found,) = stretch.episodes
    return found if settled is None else replace(found, settled_at=at(settled), end="cleared")


@dataclass(frozen=True)
class Known:
    id: str
    state: str
    started_at: datetime
    ended_at: datetime
    settled_at: datetime | None


def alert(name: str, start: float, end: float, state: str = "ended", settled: float | None = None) -> Known:
    return Known(name, state, at(start), at(end), None if settled is None else at(settled))


def reconcile(known: list[Known], *episodes: Episode, since: float = -1) -> list[tuple[str, str]]:
    changes = reconcile_(Stretch(1, KEY, at(since), episodes), known)  # type: ignore[type-var]
    return [*map(short, changes.changes), *map(short, changes.creations)]


def short(change: Update | Withdraw | Create) -> tuple[str, str]:  # type: ignore[type-arg]
    if isinstance(change, Create):
        return "new", f"{change.episode.started_at:%S}"
    if isinstance(change, Withdraw):
        return change.alert.id, change.because
    return change.alert.id, "revived" if change.revived else f"{change.episode.started_at:%S}"


def test_an_episode_without_an_alert_gets_one() -> None:
    assert reconcile([], episode(1, 2)) == [("new", "01")]


def test_an_episode_takes_the_alert_that_overlaps_it() -> None:
    assert reconcile([alert("a", 1, 2, "firing")], episode(2, 5)) == [("a", "02")]


def test_it_takes_the_earliest_and_the_others_are_merged() -> None:
    known = [alert("b", 3, 4), alert("a", 5, 6), alert("c", 1, 2)]
    assert reconcile(known, episode(1, 6)) == [("a", "merged"), ("b", "merged"), ("c", "01")]


def test_it_takes_one_that_stands_before_one_that_is_withdrawn() -> None:
    known = [alert("a", 1, 2, "withdrawn"), alert("b", 3, 4)]
    assert reconcile(known, episode(1, 6)) == [("b", "01")]


def test_a_withdrawn_alert_is_revived_where_none_stands() -> None:
    assert reconcile([alert("a", 1, 2, "withdrawn")], episode(1, 6)) == [("a", "revived")]


def test_an_alert_without_an_episode_goes() -> None:
    assert reconcile([alert("a", 1, 2)], episode(10, 12)) == [("a", "evidence_gone"), ("new", "10")]


def test_a_withdrawn_alert_without_an_episode_stays_withdrawn() -> None:
    assert reconcile([alert("a", 1, 2, "withdrawn")]) == []


def test_an_alert_that_was_split_stays_with_the_first_part() -> None:
    assert reconcile([alert("a", 1, 10)], episode(1, 4, 5), episode(7, 10)) == [("a", "01"), ("new", "07")]


def test_two_alerts_over_two_episodes_are_each_kept() -> None:
    known = [alert("a", 1, 10), alert("b", 8, 12)]
    assert reconcile(known, episode(1, 9, 10), episode(11, 12)) == [("a", "01"), ("b", "11")]


def test_alerts_settled_before_the_stretch_are_left_alone() -> None:
    assert reconcile([alert("a", 1, 2, settled=5)], since=5) == []
    assert reconcile([alert("a", 1, 2, settled=5)], since=4) == [("a", "evidence_gone")]


def test_an_alert_that_is_not_settled_is_always_looked_at() -> None:
    assert reconcile([alert("a", 1, 2, "firing")], since=50) == [("a", "evidence_gone")]


def test_changes_come_in_the_order_of_ids_and_new_alerts_last() -> None:
    known = [alert("c", 1, 2), alert("a", 20, 21), alert("b", 30, 31)]
    found = reconcile(known, episode(1, 2, 3), episode(40, 41), episode(20, 25, 26))
    assert found == [("a", "20"), ("b", "evidence_gone"), ("c", "01"), ("new", "40")]


COOLDOWN = timedelta(seconds=300)


def told(
    made: Episode, previous: float | None = None, mutes: tuple[tuple[float, float], ...] = ()
) -> tuple[bool, str | None]:
    said = delivery(
        made,
        cooldown=COOLDOWN,
        previous_loud_end=None if previous is None else at(previous),
        mutes=[(at(since), at(until)) for since, until in mutes],
    )
    return said.loud, said.quiet_reason


def test_a_fresh_row_makes_it_loud() -> None:
    assert told(episode(1, 2)) == (True, None)


def test_it_is_quiet_without_a_fresh_row_whatever_else_holds() -> None:
    late = replace(episode(1, 2), first_fresh_at=None, last_fresh_at=None)
    assert told(late) == (False, "late")
    assert told(late, previous=0) == (False, "late")


def test_it_is_quiet_while_its_last_fresh_row_lies_within_a_mute_whose_end_is_not_part_of_it() -> None:
    assert told(episode(1, 2), mutes=((5, 9), (0, 3))) == (False, "muted")
    assert told(episode(1, 2), mutes=((2, 3),)) == (False, "muted")
    assert told(episode(1, 2), mutes=((0, 2),)) == (True, None)
    assert told(episode(1, 2), previous=0, mutes=((0, 2),)) == (False, "cooldown")


def test_it_is_quiet_within_the_cooldown_and_its_end_is_included() -> None:
    assert told(episode(301, 310), previous=1) == (True, None)
    assert told(episode(300, 300.5), previous=1) == (False, "cooldown")
    assert told(episode(301, 301), previous=1) == (False, "cooldown")


def test_a_fresh_row_past_the_cooldown_makes_it_loud() -> None:
    assert told(episode(200, 302), previous=1) == (True, None)
