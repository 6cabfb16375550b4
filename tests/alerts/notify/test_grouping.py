"""Which alerts belong together."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from alerts.notify.grouping import Known, Span, named, together

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def span(number: int, start: int, end: int | None) -> Span:
    return Span(UUID(int=number), minute(start), None if end is None else minute(end))


spans = st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 8))), max_size=12).map(
    lambda found: [span(n, at, length if length is None else at + length) for n, (at, length) in enumerate(found)]
)


def overlap(one: Span, other: Span) -> bool:
    far = minute(10_000)
    return one.started_at <= (other.ended_at or far) and other.started_at <= (one.ended_at or far)


def connected(found: list[Span]) -> set[frozenset[UUID]]:
    """The brute-force twin: who can be reached from whom by overlaps."""
    groups = [{each} for each in found]
    for one, other in combinations(found, 2):
        if overlap(one, other):
            mine, theirs = (next(group for group in groups if each in group) for each in (one, other))
            if mine is not theirs:
                groups.remove(theirs)
                mine |= theirs
    return {frozenset(each.alert_id for each in group) for group in groups}


@given(spans)
def test_those_that_share_a_moment_or_do_with_these_are_together(found: list[Span]) -> None:
    assert {frozenset(each.alert_id for each in group) for group in together(found)} == connected(found)


@given(spans)
def test_no_two_groups_are_one_incident(found: list[Span]) -> None:
    known = {each.alert_id: Known(UUID(int=number % 3), minute(number % 3)) for number, each in enumerate(found)}
    names = [name for name in named(together(found), known) if name is not None]
    assert len(names) == len(set(names))


def test_the_incident_that_began_first_goes_on() -> None:
    groups = together([span(1, 0, 5), span(2, 4, 9)])
    known = {UUID(int=1): Known(UUID(int=7), minute(3)), UUID(int=2): Known(UUID(int=8), minute(1))}
    assert named(groups, known) == [UUID(int=8)]
