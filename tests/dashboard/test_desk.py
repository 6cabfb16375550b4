"""The alerts list: who sees what, how it narrows, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert
from dashboard.desk.rows import PAGE, TECHNICAL_BELOW, replaced_by
from dashboard.facets import shown_count
from devices.models import User
from tests.dashboard.pages import Visit, read_out
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db


def opened(user: User, minutes: int, **fields: Any) -> Alert:
    """An ended alert that opened so many minutes after noon, of a rule that may end many."""
    values = {"episode": "ended", "end": "cleared"} | fields
    return make_alert(user, opened_at=NOON + timedelta(minutes=minutes), **values)


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["alert"].title for _, rows in response.context["groups"] for row in rows]


def counts(response: Any, name: str) -> dict[str, str]:
    return {facet.label: facet.count for facet in getattr(response.context["facets"], name)}


def test_nobody_sees_alerts_without_signing_in(visit: Visit) -> None:
    assert visit(None).get("/alerts/").url == "/login/?next=/alerts/"


@pytest.mark.parametrize(("who", "sees"), [("wearer", 1), ("analyst", 1), ("lead", 2), ("stranger", 0), ("staff", 0)])
def test_everyone_sees_the_alerts_of_whom_they_may_see(  # noqa: PLR0917  # personas and cases
    visit: Visit, request: pytest.FixtureRequest, wearer: User, other: User, who: str, sees: int
) -> None:
    make_alert(wearer)
    make_alert(other)
    assert len(titles(visit(request.getfixturevalue(who)).get("/alerts/"))) == sees


def test_a_wearer_sees_their_alert_and_cannot_decide_about_it(visit: Visit, wearer: User, analyst: User) -> None:
    alert = make_alert(wearer)
    action = f"/triage/{alert.pk}/acknowledge/"
    assert action not in visit(wearer).get("/alerts/").text
    assert action in visit(analyst).get("/alerts/").text


def test_it_groups_firing_ones_worst_first_and_technical_ones_apart(visit: Visit, wearer: User, analyst: User) -> None:
    make_alert(wearer, title="low", severity="LOW", rule=make_rule("a"))
    make_alert(wearer, title="sensor", alert_class="technical", rule=make_rule("b"))
    make_alert(wearer, title="critical", severity="CRITICAL", rule=make_rule("c"))
    opened(wearer, 5, title="over")
    response = visit(analyst).get("/alerts/")
    assert titles(response) == ["critical", "low", "over", "sensor"]
    assert [title for title, _ in response.context["groups"]][-1] == "Technical, sensors and pipeline"


def test_no_number_of_technical_alerts_pushes_a_clinical_one_out(visit: Visit, wearer: User, analyst: User) -> None:
    for minutes in range(1, PAGE + 2):
        opened(wearer, minutes, title="sensor", alert_class="technical", rule=make_rule("b"))
    opened(wearer, 100, title="old", rule=make_rule("a"))
    response = visit(analyst).get("/alerts/")
    assert titles(response) == ["old"] + ["sensor"] * TECHNICAL_BELOW
    assert response.context["more_technical"] == "?class=technical"
    assert "More technical alerts" in response.text
    assert not response.context["next_page"]
    assert titles(visit(analyst).get("/alerts/?class=technical")) == ["sensor"] * PAGE


def test_technical_alerts_stand_below_the_first_page_alone(visit: Visit, wearer: User, analyst: User) -> None:
    for minutes in range(PAGE + 1):
        opened(wearer, minutes, title="heart", rule=make_rule("a"))
    make_alert(wearer, title="sensor", alert_class="technical", rule=make_rule("b"))
    first = visit(analyst).get("/alerts/")
    assert titles(first) == ["heart"] * PAGE + ["sensor"]
    assert titles(visit(analyst).get(f"/alerts/{first.context['next_page']}")) == ["heart"]


def test_the_classes_stand_above_the_list_where_the_filters_are_folded_away(
    visit: Visit, wearer: User, analyst: User
) -> None:
    make_alert(wearer, title="sensor", alert_class="technical", rule=make_rule("b"))
    text = " ".join(visit(analyst).get("/alerts/?class=technical").text.split())
    assert '<a href="?class=technical" aria-current="true">Technical 1</a>' in text
    assert '<a href="?class=clinical" >Clinical 0</a>' in text


def test_the_critical_form_takes_the_row_of_the_lower_one(visit: Visit, wearer: User, analyst: User) -> None:
    make_alert(wearer, title="lower", rule=make_rule("hypoxia"))
    make_alert(wearer, title="worse", severity="CRITICAL", rule=make_rule("hypoxia-critical"), replaces="hypoxia")
    response = visit(analyst).get("/alerts/")
    assert titles(response) == ["worse"]
    assert "was HIGH" in response.text


@pytest.mark.parametrize(
    "said",
    [
        {"episode": "ended", "end": "cleared"},
        {"triage": "closed", "close_reason": "true"},
        {"severity": "MEDIUM"},
        {"severity": "HIGH"},
    ],
)
def test_a_form_that_is_over_closed_or_no_graver_takes_no_row_of_what_fires(
    visit: Visit, wearer: User, analyst: User, said: dict[str, Any]
) -> None:
    lower = make_alert(wearer, title="lower", rule=make_rule("hypoxia"))
    worse = {"title": "worse", "severity": "CRITICAL", "replaces": "hypoxia"} | said
    other = make_alert(wearer, rule=make_rule("hypoxia-critical"), **worse)
    assert replaced_by([lower, other]) == {}
    assert "lower" in titles(visit(analyst).get("/alerts/"))


def test_what_is_over_is_left_to_a_critical_form_that_is_over_too(visit: Visit, wearer: User, analyst: User) -> None:
    opened(wearer, 0, title="lower", rule=make_rule("hypoxia"))
    opened(wearer, 0, title="worse", severity="CRITICAL", rule=make_rule("hypoxia-critical"), replaces="hypoxia")
    opened(wearer, 9, title="later", rule=make_rule("hypoxia"))
    assert titles(visit(analyst).get("/alerts/")) == ["later", "worse"]


def test_of_two_forms_that_would_take_each_others_row_both_are_there(visit: Visit, wearer: User, analyst: User) -> None:
    make_alert(wearer, title="one", rule=make_rule("a"), replaces="b")
    make_alert(wearer, title="other", rule=make_rule("b"), replaces="a")
    assert sorted(titles(visit(analyst).get("/alerts/"))) == ["one", "other"]


def test_views_and_severities_narrow_it_and_count_what_the_others_leave(
    visit: Visit, wearer: User, analyst: User
) -> None:
    make_alert(wearer, title="firing", severity="HIGH", rule=make_rule("a"))
    opened(wearer, 1, title="over", severity="LOW")
    opened(wearer, 2, title="done", triage="closed", close_reason="true")
    opened(wearer, 3, title="gone", episode="withdrawn", end=None)
    client = visit(analyst)
    everything = client.get("/alerts/")
    assert titles(everything) == ["firing", "over"]
    views = counts(everything, "views")
    assert (views["Open"], views["Firing now"], views["Closed"], views["Withdrawn"]) == ("2", "1", "1", "1")
    assert counts(client.get("/alerts/?severity=LOW"), "views")["Firing now"] == "0"
    assert counts(everything, "severities")["High"] == "1"
    assert titles(client.get("/alerts/?view=closed")) == ["done"]
    assert titles(client.get("/alerts/?view=withdrawn")) == ["gone"]
    assert titles(client.get("/alerts/?severity=LOW")) == ["over"]
    assert titles(client.get("/alerts/?severity=HIGH&episode=firing")) == ["firing"]
    assert titles(client.get("/alerts/?episode=ended")) == ["over"]


def test_it_finds_by_name_title_and_rule(visit: Visit, wearer: User, other: User, lead: User) -> None:
    make_alert(wearer, title="Hypoxia", rule=make_rule("hypoxia"))
    make_alert(other, title="Fever", rule=make_rule("fever"))
    client = visit(lead)
    assert titles(client.get("/alerts/?q=ann")) == ["Hypoxia"]
    assert titles(client.get("/alerts/?q=FEV")) == ["Fever"]
    assert titles(client.get("/alerts/?wearer=user_002")) == ["Fever"]
    nothing = client.get("/alerts/?q=%00nobody")
    assert titles(nothing) == []
    assert "No alert matches" in nothing.text


def test_an_empty_list_says_when_the_last_one_was_closed(visit: Visit, wearer: User, analyst: User) -> None:
    assert "Nothing open" in visit(analyst).get("/alerts/").text
    opened(wearer, 0, triage="closed", close_reason="true", triaged_at=NOON)
    assert "Last closed 1 Mar 12:00 UTC" in read_out(visit(analyst).get("/alerts/").text)


def test_pages_follow_each_other_without_a_gap_or_a_repeat(visit: Visit, wearer: User, analyst: User) -> None:
    for minute in range(2 * PAGE + 3):
        opened(wearer, minute // 2, title=f"n{minute}", started_at=NOON + timedelta(seconds=minute - 9000))
    client, seen, address = visit(analyst), [], "/alerts/"
    while address:
        response = client.get(address)
        seen += titles(response)
        address = response.context["next_page"] and "/alerts/" + response.context["next_page"]
    assert len(seen) == len(set(seen)) == 2 * PAGE + 3
    assert response.context["shown"] == 3


def test_it_asks_the_same_number_of_queries_for_3_rows_and_for_60(visit: Visit, wearer: User, analyst: User) -> None:
    def queries(rows: int) -> int:
        for minute in range(rows):
            opened(wearer, minute, started_at=NOON + timedelta(seconds=minute - 9000 - 100 * rows))
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert visit(analyst).get("/alerts/").status_code == 200
        return len(captured)

    queries(1)
    assert queries(2) == queries(57)


@pytest.mark.parametrize(
    "address",
    [
        "?view=nope", "?severity=nope", "?class=nope", "?before=nope", "?before=2026-01-01_x",
        "?before=2026-01-01T00:00:00_00000000-0000-0000-0000-000000000000",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_said_to_be_so(visit: Visit, analyst: User, address: str) -> None:
    response = visit(analyst).get(f"/alerts/{address}")
    assert response.status_code == 400
    assert "There is no " in response.text or "That page does not exist" in response.text


def test_with_htmx_only_the_list_comes(visit: Visit, analyst: User) -> None:
    assert "<html" not in visit(analyst).get("/alerts/", headers={"HX-Request": "true"}).text


def test_a_snooze_that_is_too_long_is_shown_and_cannot_be_chosen(visit: Visit, wearer: User, analyst: User) -> None:
    make_alert(wearer, severity="CRITICAL")
    text = visit(analyst).get("/alerts/").text
    assert "30 min, too long at CRITICAL" in text
    assert "15 min, too long" not in text


def test_counts_stop_at_ten_thousand() -> None:
    assert (shown_count(9_999), shown_count(10_000)) == ("9,999", "9,999+")


def test_counts_say_that_there_may_be_more_where_not_all_alerts_were_read(
    visit: Visit, wearer: User, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.desk.facets.COUNTED", 3)
    for minute in range(4):
        opened(wearer, minute)
    page = visit(analyst).get("/alerts/")
    assert (counts(page, "views")["Open"], page.context["facets"].matching, len(titles(page))) == ("3+", "3+", 4)


def test_what_is_open_is_counted_however_many_newer_ones_are_closed(
    visit: Visit, wearer: User, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.desk.facets.COUNTED", 3)
    for minute in (1, 2):
        opened(wearer, minute, severity="CRITICAL")
    for minute in (3, 4, 5, 6):
        opened(wearer, minute, triage="closed", close_reason="true")
    page = visit(analyst).get("/alerts/")
    assert (counts(page, "severities")["Critical"], page.context["facets"].matching) == ("2", "2")
    assert (counts(page, "views")["Open"], counts(page, "views")["Closed"]) == ("2", "1+")
    assert visit(analyst).get("/alerts/?view=closed").context["facets"].matching == "1+"


def test_every_facet_counts_what_the_others_leave(visit: Visit, wearer: User, other: User, lead: User) -> None:
    a, b = make_rule("rule-a"), make_rule("rule-b")
    opened(wearer, 1, rule=a, title="Hypoxia")
    opened(wearer, 2, rule=b, severity="LOW", title="Hypoxia", triage="acknowledged", triaged_by=lead)
    opened(other, 3, rule=a, severity="LOW", assignee=lead, alert_class="technical")
    opened(other, 4, rule=a, triage="closed", close_reason="true")
    page = visit(lead).get("/alerts/?severity=LOW&rule=rule-a")
    assert titles(page) == ["Tachycardia at rest"]
    assert counts(page, "severities")["High"] == "1"
    assert counts(page, "classes") == {"All": "1", "Clinical": "0", "Technical": "1"}
    rules, wearers, holders = (
        {facet.label: facet.count for facet in group.shown} for group in page.context["facets"].groups
    )
    assert rules == {"rule-a": "1", "rule-b": "1"}
    assert wearers == {"user_002": "1"}
    assert holders == {"Me": "1", "Nobody": "0"}
    searched = visit(lead).get("/alerts/?q=HYPO")
    assert counts(searched, "views") | {"Mine": "1", "Open": "2", "Closed": "0"} == counts(searched, "views")


@pytest.mark.parametrize(("reason", "word"), [("late", "retrospective"), ("cooldown", "quiet")])
@pytest.mark.parametrize("path", ["/alerts/", "/wearers/user_001/"])
def test_a_quiet_alert_says_why_it_is_quiet(  # noqa: PLR0917  # two cases and three fixtures
    visit: Visit, lead: User, wearer: User, reason: str, word: str, path: str
) -> None:
    make_alert(wearer, quiet=True, quiet_reason=reason)
    page = visit(lead).get(path).content.decode()
    assert [tag for tag in ("retrospective", "quiet") if f'<span class="tag">{tag}</span>' in page] == [word]
