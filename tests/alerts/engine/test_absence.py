"""What a rule over absence means, in numbers alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.engine import AbsenceRule
from alerts.engine.absence import FORGOTTEN_AFTER, Listened, Silence, silence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=3)
RULE = AbsenceRule(
    id="silent", alert_type="SILENT", title="Silent", severity="LOW", factor=3, at_least=timedelta(minutes=2)
)


def after(
    seconds: float, *, cadence: float = 60, heard_at: datetime = NOON, since: datetime = LONG_AGO,
    rule: AbsenceRule = RULE,
) -> Silence | None:  # fmt: skip
    """What the rule finds when everything is known that was received until so many seconds after noon."""
    listened = Listened(since, NOON + timedelta(seconds=seconds))
    return silence(rule, heard_at=heard_at, cadence=timedelta(seconds=cadence), listened=listened)


@pytest.mark.parametrize(("cadence", "limit"), [(60, 180), (300, 900), (40, 120), (1, 120), (0, 120)])
def test_it_begins_after_three_cadences_and_two_minutes_at_least(cadence: float, limit: float) -> None:
    assert after(limit - 0.001, cadence=cadence) is None
    found = after(limit, cadence=cadence)
    assert found == Silence(NOON, NOON, timedelta(seconds=cadence), timedelta(seconds=limit))
    assert found.opened_at == NOON + timedelta(seconds=limit)


def test_only_the_time_in_which_we_listened_counts() -> None:
    back = NOON + timedelta(minutes=10)
    assert after(779, since=back) is None
    found = after(780, since=back)
    assert found is not None
    assert (found.heard_at, found.counted_from, found.opened_at) == (NOON, back, NOON + timedelta(seconds=780))


def test_only_the_time_in_which_the_wording_was_in_force_counts() -> None:
    switched_on = replace(RULE, active_from=NOON + timedelta(minutes=30))
    assert after(1_979, rule=switched_on) is None
    assert after(1_980, rule=switched_on) is not None
    assert after(180, rule=replace(RULE, active_from=LONG_AGO)) is not None


def test_who_was_silent_for_a_day_more_than_that_has_stopped_long_ago() -> None:
    longest = 180 + FORGOTTEN_AFTER.total_seconds()
    assert after(longest) is not None
    assert after(longest + 1) is None


def test_who_was_heard_a_moment_ago_is_not_silent() -> None:
    assert after(180, heard_at=NOON + timedelta(seconds=1)) is None
    assert after(0, heard_at=NOON + timedelta(seconds=3)) is None
