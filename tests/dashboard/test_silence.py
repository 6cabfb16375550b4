"""The page of an alert of a silence: what is usual, what was too long, and what was heard around it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert
from dashboard.alert.chart import CHOICES
from dashboard.alert.silence import silence_chart, silence_of
from devices.models import User
from tests.dashboard.pages import Visit, just_now, read, read_out
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db
SOURCE = Path("alerts/rules/device-silent.yaml").read_text()
EPISODE, HOUR, _ = CHOICES


def silent(
    user: User, *, cadence_s: float = 60, counted_from: str = "2026-03-01T12:00:00.000Z", **fields: Any
) -> Alert:
    """Heard last at noon, and too long from then on for 3 minutes."""
    silence = {
        "heard_at": "2026-03-01T12:00:00.000Z", "counted_from": counted_from, "cadence_s": cadence_s,
        "cadence_is_set": False, "limit_s": max(180.0, 3 * cadence_s), "factor": 3.0, "at_least_s": 180.0,
    }  # fmt: skip
    values = {
        "rule": make_rule("device-silent", source=SOURCE),
        "title": "Device silent",
        "severity": "LOW",
        "alert_class": "technical",
        "started_at": NOON,
        "opened_at": NOON + timedelta(minutes=3),
        "ended_at": NOON + timedelta(minutes=3),
        "event_count": 0,
        "measures": {},
        "evidence": {"columns": [], "suspect": 0, "first": [], "last": [], "silence": silence},
        "description": "Nothing heard since 12:00:00.",
    }
    return make_alert(user, **(values | fields))


def page(visit: Visit, who: User, alert: Alert) -> str:
    text: str = " ".join(read_out(visit(who).get(f"/alerts/{alert.pk}/").text).split())
    return text


def test_it_says_what_is_usual_and_what_was_too_long(visit: Visit, wearer: User, analyst: User) -> None:
    text = page(visit, analyst, silent(wearer))
    assert "nothing heard for 3 x 60 s, at least 3 m" in text
    assert "<dt>Last heard</dt> <dd> 1 Mar 12:00:00 UTC </dd>" in text
    assert "every 60 s, by the last 50 readings" in text
    assert "3 m, 3 times that" in text
    assert "<dt>Heard again</dt> <dd> not yet </dd>" in text
    assert "Counted from" not in text
    assert ">0 reading" not in text
    assert "Matching readings" not in text
    assert "Last reading received, 1 Mar 2026" in text


def test_it_says_that_the_least_counts_where_somebody_speaks_often(visit: Visit, wearer: User, analyst: User) -> None:
    assert "3 m, the least that the rule asks" in page(visit, analyst, silent(wearer, cadence_s=5))


def test_it_says_from_when_it_was_counted_where_we_were_away(visit: Visit, wearer: User, analyst: User) -> None:
    later = NOON + timedelta(minutes=33)
    alert = silent(wearer, counted_from="2026-03-01T12:30:00.000Z", opened_at=later, ended_at=later)
    assert "1 Mar 12:30:00 UTC: before that Telara did not listen" in page(visit, analyst, alert)


def test_it_says_when_somebody_was_heard_again(visit: Visit, wearer: User, analyst: User) -> None:
    over = {"episode": "ended", "end": "cleared", "ended_at": NOON + timedelta(hours=1)}
    assert "<dt>Heard again</dt> <dd> 1 Mar 13:00:00 UTC </dd>" in page(visit, analyst, silent(wearer, **over))


def test_one_that_was_meant_is_said_to_be(visit: Visit, wearer: User, analyst: User) -> None:
    alert = silent(wearer, quiet=True, quiet_reason="expected")
    text = page(visit, analyst, alert)
    assert "Expected: the simulation of this wearer was stopped on purpose, so nobody was paged." in text


def test_the_chart_shows_what_was_heard_and_the_silence_up_to_now(wearer: User) -> None:
    read(wearer, times=20, until=NOON, every=timedelta(seconds=60), respiratory_rate=14, steps_per_minute=0)
    read(wearer, times=3, until=NOON, every=timedelta(seconds=60), heart_rate=70)
    alert, now = silent(wearer), NOON + timedelta(minutes=20)
    silence = silence_of(alert)
    assert silence is not None
    chart = silence_chart(alert, silence, choice=EPISODE, at=now)
    assert chart is not None
    assert (chart.label, chart.points) == ("Respiration", 11)
    assert chart.data["spans"] == [
        {"from": NOON.timestamp(), "to": now.timestamp(), "severity": "LOW", "technical": True}
    ]
    assert chart.data["gapAfter"] == 180
    assert chart.data["until"] == now.timestamp()
    wide = silence_chart(alert, silence, choice=HOUR, at=now)
    assert wide is not None
    assert wide.points == 20


def test_without_stored_readings_it_keeps_its_figures(visit: Visit, wearer: User, analyst: User) -> None:
    text = page(visit, analyst, silent(wearer))
    assert "The sentence and the figures below were kept with the alert." in text


def test_lists_do_not_count_readings_that_are_not_there(visit: Visit, wearer: User, lead: User) -> None:
    read(wearer, times=1, until=just_now())
    now = timezone.now()
    silent(wearer, started_at=now - timedelta(minutes=9), opened_at=now - timedelta(minutes=6), ended_at=now)
    assert '<td class="number">none</td>' in visit(lead).get("/alerts/").text
    assert ">0</span> reading" not in visit(lead).get("/").text
    assert visit(lead).get(f"/wearers/{wearer.username}/").status_code == 200


@pytest.mark.parametrize("alert_class", ["technical", "clinical"])
def test_any_other_alert_has_no_silence(wearer: User, alert_class: str) -> None:
    assert silence_of(make_alert(wearer, alert_class=alert_class)) is None
