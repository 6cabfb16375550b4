"""What a route says of an incident, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.notify.decide import RANK, Member, Plan, Progress, decide, still_wanted

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRING = Member(RANK["HIGH"], firing=True, withdrawn=False, quiet=False, triage="new")
CRITICAL = replace(FIRING, rank=RANK["CRITICAL"])
ENDED = replace(FIRING, firing=False)
PLAN = Plan(least=RANK["MEDIUM"])
NEW = Progress(since=NOON)
TOLD = replace(NEW, told=RANK["HIGH"], last_at=NOON, sent_at=NOON)
HELD = replace(PLAN, quiet_until=lambda at: at + timedelta(hours=1))


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def said(plan: Plan, progress: Progress, *members: Member, at: datetime = NOON) -> tuple[str | None, datetime | None]:
    decision = decide(plan, progress, members, at)
    return decision.kind, decision.next_at


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        (FIRING, "start"),
        (replace(FIRING, quiet=True), None),
        (replace(FIRING, withdrawn=True, firing=False), None),
        (replace(FIRING, rank=RANK["LOW"]), None),
        (replace(FIRING, triage="snoozed", hushed=True), None),
        (replace(FIRING, hushed=True), None),
        (replace(FIRING, triage="closed", hushed=True), None),
        (replace(FIRING, triage="acknowledged"), "start"),
        (ENDED, "start"),  # fired and ended in one batch: both are told
    ],
)
def test_it_tells_of_what_is_loud_severe_enough_and_not_silenced(member: Member, kind: str | None) -> None:
    assert said(PLAN, NEW, member) == (kind, None)


def test_what_was_over_a_while_ago_is_not_told_of() -> None:
    assert said(PLAN, NEW, ENDED, at=minutes(2)) == (None, None)


def test_it_tells_once_and_of_a_higher_severity_once() -> None:
    first = decide(PLAN, NEW, [FIRING], NOON)
    assert said(PLAN, first.progress, FIRING, replace(FIRING, rank=RANK["MEDIUM"])) == (None, None)
    worse = decide(PLAN, first.progress, [FIRING, CRITICAL], minutes(1))
    assert (worse.kind, worse.rank) == ("higher", RANK["CRITICAL"])
    assert said(PLAN, worse.progress, FIRING, CRITICAL) == (None, None)


@pytest.mark.parametrize(
    ("members", "kind"), [((ENDED,), "end"), ((replace(ENDED, withdrawn=True),), "withdrawn"), ((), "withdrawn")]
)
def test_it_tells_of_the_end_once(members: tuple[Member, ...], kind: str) -> None:
    end = decide(PLAN, TOLD, members, minutes(3))
    assert (end.kind, end.rank) == (kind, RANK["HIGH"])
    assert said(PLAN, end.progress, *members, at=minutes(4)) == (None, None)


def test_of_what_nobody_was_told_no_end_is_told() -> None:
    assert said(PLAN, replace(TOLD, sent_at=None), ENDED) == (None, None)
    waits = decide(PLAN, replace(TOLD, sent_at=None, in_flight=True), [ENDED], NOON)
    assert (waits.kind, waits.progress.over, waits.next_at) == (None, False, NOON + timedelta(seconds=5))


def test_open_again_after_its_end_was_told_is_told() -> None:
    over = decide(PLAN, TOLD, [ENDED], minutes(3)).progress
    again = decide(PLAN, over, [FIRING], minutes(9))
    assert (again.kind, again.progress.round) == ("again", 2)
    assert said(PLAN, replace(again.progress, sent_at=minutes(9)), ENDED, at=minutes(12)) == ("end", None)


def test_what_is_hushed_is_not_told_of_and_what_is_not_is() -> None:
    snoozed = replace(FIRING, triage="snoozed", hushed=True)
    assert said(PLAN, NEW, snoozed, replace(FIRING, hushed=True)) == (None, None)
    assert said(PLAN, TOLD, snoozed, CRITICAL) == ("higher", None)
    assert said(PLAN, NEW, snoozed, CRITICAL) == ("start", None)


def test_what_was_hushed_is_told_when_that_ends_by_itself() -> None:
    hushed = replace(FIRING, hushed=True, hushed_until=minutes(10))
    assert said(PLAN, NEW, hushed, FIRING) == ("start", None)
    assert said(PLAN, NEW, hushed) == (None, minutes(10))
    assert said(STEPS, NEW, hushed, at=minutes(5)) == (None, minutes(10))
    assert said(PLAN, NEW, FIRING, at=minutes(10)) == ("start", None)
    assert said(PLAN, NEW, replace(hushed, firing=False), at=minutes(9)) == (None, None)


def test_a_snooze_or_mute_that_is_over_is_told_where_it_still_fires() -> None:
    renewed = replace(FIRING, renewed_at=minutes(5))
    still = decide(PLAN, TOLD, [renewed], minutes(5))
    assert still.kind == "still"
    assert said(PLAN, still.progress, renewed, at=minutes(6)) == (None, None)
    assert said(PLAN, TOLD, replace(renewed, triage="acknowledged"), at=minutes(5)) == (None, None)


def test_a_snooze_that_is_over_is_told_also_where_somebody_looks_after_another_one() -> None:
    again, other = replace(FIRING, renewed_at=minutes(5)), replace(FIRING, triage="acknowledged")
    assert said(PLAN, TOLD, again, other, at=minutes(5)) == ("still", None)
    leaving = (PLAN, "still", RANK["HIGH"], [again, other], minutes(5))
    assert still_wanted(*leaving, before=NOON) is None
    assert still_wanted(*leaving, before=minutes(5)) == "somebody looks after it", "it is a repeat"


def test_what_is_hushed_and_worse_than_what_is_said_now_is_looked_at_when_that_ends() -> None:
    hushed = replace(CRITICAL, hushed=True, hushed_until=minutes(10))
    assert said(PLAN, NEW, FIRING, hushed) == ("start", minutes(10))


SEEN = replace(FIRING, triage="acknowledged")


def test_what_somebody_looks_after_is_told_at_once_or_not_at_all() -> None:
    assert said(PLAN, NEW, SEEN) == ("start", None)
    assert said(PLAN, NEW, SEEN, at=minutes(2)) == (None, None)
    assert said(PLAN, replace(NEW, last_at=NOON), SEEN) == (None, None), "the message that said so was dropped"
    assert said(PLAN, replace(TOLD, over=True), SEEN, at=minutes(9)) == (None, None), "open again"
    assert said(PLAN, TOLD, FIRING, replace(CRITICAL, triage="acknowledged")) == (None, None)
    night = replace(PLAN, quiet_until=lambda at: minutes(0.5) if at < minutes(0.5) else None)
    assert said(night, NEW, FIRING) == (None, minutes(0.5))
    assert said(night, NEW, SEEN, at=minutes(0.5)) == (None, None)
    assert said(night, NEW, FIRING, at=minutes(0.5)) == ("start", None)


STEPS = replace(PLAN, wait=timedelta(minutes=10), every=timedelta(minutes=5), most=2)


def test_a_step_waits_tells_repeats_and_stops_by_itself() -> None:
    assert said(STEPS, NEW, FIRING) == (None, minutes(10))
    progress, told = NEW, []
    for minute in range(60):
        decision = decide(STEPS, progress, [FIRING], minutes(minute))
        progress = decision.progress
        told += [(minute, decision.kind)] if decision.kind else []
    assert told == [(10, "start"), (15, "still"), (20, "still")]


@pytest.mark.parametrize("triage", ["acknowledged", "snoozed", "closed"])
def test_a_step_says_nothing_once_anybody_looks_after_it(triage: str) -> None:
    seen = replace(FIRING, triage=triage, hushed=triage != "acknowledged")
    assert said(STEPS, NEW, seen, at=minutes(10)) == (None, None)
    assert said(STEPS, NEW, seen, FIRING, at=minutes(10)) == (None, None)
    repeating = replace(TOLD, last_at=minutes(10))
    assert said(STEPS, repeating, seen, FIRING, at=minutes(15)) == (None, None)
    assert said(STEPS, repeating, seen, CRITICAL, at=minutes(15))[0] == "higher"


def test_a_step_says_nothing_of_what_was_over_before() -> None:
    assert said(STEPS, NEW, ENDED, at=minutes(10)) == (None, None)


def test_quiet_hours_hold_it_back_and_critical_comes_through() -> None:
    later = minutes(60)
    assert said(HELD, NEW, FIRING) == (None, later)
    assert said(HELD, TOLD, ENDED) == (None, later)
    assert said(HELD, NEW, CRITICAL) == ("start", None)
    assert said(replace(HELD, critical_pierces=False), NEW, CRITICAL) == (None, later)
    assert said(PLAN, decide(HELD, NEW, [FIRING], NOON).progress, FIRING, at=later) == ("start", None)
    assert said(PLAN, decide(HELD, NEW, [FIRING], NOON).progress, ENDED, at=later) == (None, None)


@pytest.mark.parametrize(
    ("plan", "kind", "member", "verdict"),
    [
        (PLAN, "start", FIRING, None),
        (PLAN, "start", ENDED, None),
        (PLAN, "start", replace(ENDED, withdrawn=True), "it was withdrawn"),
        (PLAN, "start", replace(FIRING, quiet=True), "it was withdrawn"),
        (PLAN, "start", replace(FIRING, triage="snoozed", hushed=True), "somebody looks after it"),
        (PLAN, "start", replace(FIRING, triage="acknowledged"), None),
        (STEPS, "start", replace(FIRING, triage="acknowledged"), "somebody looks after it"),
        (STEPS, "start", ENDED, "it is over"),
        (PLAN, "still", ENDED, "it is over"),
        (PLAN, "still", replace(FIRING, triage="acknowledged"), "somebody looks after it"),
        (PLAN, "end", ENDED, None),
        (PLAN, "end", FIRING, "it is open again"),
        (HELD, "start", FIRING, minutes(60)),
    ],
)
def test_it_is_looked_at_once_more_before_it_leaves(plan: Plan, kind: str, member: Member, verdict: object) -> None:
    assert still_wanted(plan, kind, RANK["HIGH"], [member], NOON) == verdict


@pytest.mark.parametrize("kind", ["start", "again", "higher"])
def test_what_was_tried_or_held_back_leaves_only_while_nobody_looks_after_it(kind: str) -> None:
    leaving = (PLAN, kind, RANK["HIGH"])
    assert still_wanted(*leaving, [SEEN], NOON, late=True) == "somebody looks after it"
    assert still_wanted(*leaving, [SEEN, FIRING], NOON, late=True) is None
    assert still_wanted(*leaving, [replace(ENDED, triage="new")], NOON, late=True) is None


members = st.builds(
    Member,
    rank=st.integers(1, 5),
    firing=st.booleans(),
    withdrawn=st.booleans(),
    quiet=st.booleans(),
    triage=st.sampled_from(["new", "acknowledged", "snoozed", "closed"]),
    hushed=st.booleans(),
    renewed_at=st.none() | st.integers(0, 20).map(minutes),
)
progresses = st.builds(
    Progress,
    since=st.just(NOON),
    round=st.integers(1, 2),
    told=st.integers(0, 5),
    repeats=st.integers(0, 2),
    over=st.booleans(),
    last_at=st.none() | st.integers(0, 20).map(minutes),
    sent_at=st.none() | st.just(NOON),
)


@settings(deadline=None)
@given(st.sampled_from([PLAN, STEPS]), progresses, st.lists(members, max_size=4), st.integers(0, 25).map(minutes))
def test_what_is_decided_is_wanted_so_that_nothing_is_dropped_and_made_again_for_ever(
    plan: Plan, progress: Progress, found: list[Member], at: datetime
) -> None:
    decision = decide(plan, progress, found, at)
    if decision.kind is not None:
        before = progress.last_at or progress.since
        late = progress.last_at is not None
        assert still_wanted(plan, decision.kind, decision.rank, found, at, late=late, before=before) is None
