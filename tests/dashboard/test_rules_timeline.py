"""The drawing of a backtest: which lanes there are, and where in them an episode lies."""

from datetime import UTC, datetime, timedelta

from dashboard.rules import timeline
from dashboard.rules.timeline import Kind, Span, Timeline, timeline_of

NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def span(start: datetime, length: timedelta = HOUR, person: str = "user_001", kind: Kind = "known") -> Span:
    return Span(person, person.upper(), start, start + length, kind)


def drawn(*spans: Span, alone: bool = True, days: int = 2) -> Timeline:
    return timeline_of(spans, since=NOON - days * DAY, until=NOON, alone=alone)


def lanes(found: Timeline) -> list[tuple[str, int, list[tuple[int, int]]]]:
    return [(lane.label, lane.count, [(block.x, block.width) for block in lane.blocks]) for lane in found.lanes]


def test_one_person_has_a_lane_a_day_of_utc_from_midnight_to_midnight() -> None:
    found = drawn(span(NOON - DAY), span(NOON - 6 * HOUR))
    assert lanes(found) == [("Thu 5", 0, []), ("Fri 6", 1, [(500, 42)]), ("Sat 7", 1, [(250, 42)])]
    assert [(tick.x, tick.label) for tick in found.ticks][:2] == [(0, "00:00"), (250, "06:00")]


def test_an_episode_over_midnight_is_drawn_on_both_days_and_counts_once() -> None:
    found = drawn(span(NOON - 13 * HOUR, 2 * HOUR))
    assert lanes(found)[1:] == [("Fri 6", 1, [(958, 42)]), ("Sat 7", 0, [(0, 42)])]


def test_a_moment_is_wide_enough_to_be_seen_and_stays_within_the_day() -> None:
    found = drawn(span(NOON - 12 * HOUR - timedelta(seconds=1), timedelta(0)))
    assert lanes(found)[1] == ("Fri 6", 1, [(1000 - timeline.NARROWEST, timeline.NARROWEST)])


def test_several_people_have_a_lane_each_who_has_most_first() -> None:
    found = drawn(
        span(NOON - DAY, person="b"), span(NOON - DAY, person="a"), span(NOON - HOUR, person="b"), alone=False
    )
    assert lanes(found) == [("B", 2, [(500, 21), (979, 21)]), ("A", 1, [(500, 21)])]
    assert [tick.label for tick in found.ticks] == ["12:00", "00:00", "12:00", "00:00", "12:00"]


def test_people_of_one_name_are_not_one() -> None:
    both = [Span(person, "Ann", NOON - HOUR, NOON, "new") for person in ("a", "b")]
    assert [lane.label for lane in drawn(*both, alone=False).lanes] == ["Ann", "Ann"]


def test_a_long_time_of_one_person_is_one_lane() -> None:
    assert [lane.label for lane in drawn(span(NOON - 30 * DAY), days=40).lanes] == ["USER_001"]


def test_people_past_the_twentieth_are_counted_and_not_drawn() -> None:
    found = drawn(*(span(NOON - HOUR, person=f"user_{number:03}") for number in range(23)), alone=False)
    assert (len(found.lanes), found.more) == (timeline.MOST_PEOPLE, 3)


def test_what_only_the_present_version_finds_is_drawn_and_not_counted() -> None:
    assert lanes(drawn(span(NOON - 6 * HOUR, kind="lost")))[2] == ("Sat 7", 0, [(250, 42)])
    assert lanes(drawn(span(NOON - HOUR, kind="lost"), alone=False))[0][:2] == ("USER_001", 0)


def test_a_thousand_episodes_that_look_the_same_are_drawn_once() -> None:
    crowd = [span(NOON - HOUR + timedelta(seconds=number / 100), timedelta(0)) for number in range(1_000)]
    (*_, last) = drawn(*crowd).lanes
    assert (last.count, len(last.blocks)) == (1_000, 1)
