"""What a page knows of alerts that stand, to tell by a tone of what is new."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert
from alerts.models.alert import CloseReason
from alerts.services.triage import alert_close
from dashboard.desk import known
from dashboard.live.figures import alert_figures, figures_seen
from devices.models import User
from devices.times import rfc3339
from tests.dashboard.pages import Visit
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db
SNOOZED = {"triage": "snoozed", "snoozed_until": NOON}  # over or not: it stands until the worker has ended it
ENDED = {"episode": "ended", "end": "cleared"}


def stands(user: User | None, name: str, **fields: Any) -> Alert:
    return make_alert(user, rule=make_rule(name), alert_type=name, **fields)


def types(visit: Visit, user: User) -> list[str]:
    answer = visit(user).get("/alerts/known/")
    assert answer.status_code == 200
    return [alert["alert_type"] for alert in answer.json()["alerts"]]


def test_it_knows_what_fires_and_what_is_snoozed_worst_and_newest_first(
    visit: Visit, wearer: User, analyst: User
) -> None:
    stands(wearer, "older")
    stands(wearer, "newer", quiet=True, quiet_reason="cooldown")
    stands(wearer, "medium", severity="MEDIUM", alert_class="technical")
    stands(wearer, "worst", severity="CRITICAL", triage="acknowledged")
    stands(wearer, "snoozed", **SNOOZED, **ENDED)
    stands(wearer, "over", **ENDED)
    stands(wearer, "low", severity="LOW")
    stands(wearer, "closed", triage="closed", close_reason="true")
    stands(wearer, "gone", **SNOOZED, episode="withdrawn")
    assert types(visit, analyst) == ["worst", "snoozed", "newer", "older", "medium"]


def test_it_says_of_each_what_the_socket_says(visit: Visit, wearer: User, analyst: User) -> None:
    alert = make_alert(wearer, revision=3)
    answer = visit(analyst).get("/alerts/known/")
    assert answer.json() == {
        "alerts": [
            {
                "alert_id": str(alert.pk), "revision": 3, "alert_type": "TACHYCARDIA_AT_REST", "user_id": "user_001",
                "severity": "HIGH", "class": "clinical", "episode": "firing", "status": "new", "quiet": False,
            }
        ],
        "complete": True,
        "revision": {"sum": 3, "known": {str(alert.pk): 3}, "changed_at": "2026-03-01T12:00:00.000Z"},
    }  # fmt: skip
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("wearer", ["theirs"]), ("analyst", ["theirs"]), ("lead", ["pipeline", "others", "theirs"]),
        ("stranger", []), ("staff", []),
    ],
)  # fmt: skip
def test_everyone_knows_of_whom_they_may_see(  # noqa: PLR0917  # personas and cases
    visit: Visit, request: pytest.FixtureRequest, wearer: User, other: User, who: str, sees: list[str]
) -> None:
    stands(wearer, "theirs")
    stands(other, "others")
    stands(None, "pipeline", alert_class="technical")
    assert types(visit, request.getfixturevalue(who)) == sees


def test_it_is_bounded_and_says_so(visit: Visit, wearer: User, analyst: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 1)
    stands(wearer, "worst", severity="CRITICAL")
    stands(wearer, "high")
    assert types(visit, analyst) == ["worst"]
    assert visit(analyst).get("/alerts/known/").json()["complete"] is False


def revision(visit: Visit, user: User) -> dict[str, Any]:
    return dict(visit(user).get("/alerts/known/").json()["revision"])


def test_it_sums_the_revisions_as_the_status_does(visit: Visit, wearer: User, analyst: User, lead: User) -> None:
    now = timezone.now()
    kept = stands(wearer, "kept", severity="LOW", revision=3, changed_at=now - timedelta(hours=1))
    closed = stands(wearer, "closed", changed_at=now)
    alert_close(alert=closed, by=lead, at=now, reason=CloseReason.TRUE)
    stands(wearer, "long ago", triage="closed", close_reason="true", changed_at=now - timedelta(hours=1))
    found = revision(visit, analyst)
    assert found == {"sum": 5, "known": {str(kept.pk): 3, str(closed.pk): 2}, "changed_at": rfc3339(now)}
    assert figures_seen(alert_figures(now=timezone.now()), "everyone").revision == 5
    assert figures_seen(alert_figures(now=timezone.now()), frozenset({wearer.pk})).revision == 5
    assert figures_seen(alert_figures(now=timezone.now()), frozenset()).revision == 0


def test_of_more_alerts_than_a_page_can_know_it_knows_those_that_changed_last(
    visit: Visit, wearer: User, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.live.revision.KNOWN_MOST", 1)
    now = timezone.now()
    changes = {stands(wearer, f"rule-{n}", changed_at=now - timedelta(minutes=n)): n for n in (2, 1, 3)}
    last = min(changes, key=lambda alert: changes[alert])
    assert (revision(visit, analyst)["sum"], revision(visit, analyst)["known"]) == (3, {str(last.pk): 1})
