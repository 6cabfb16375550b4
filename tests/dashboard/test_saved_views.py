"""Saved views of the alerts list: a name for an address, everybody's their own."""

import pytest

from alerts.models import SavedView
from dashboard.desk.saved_views import MOST
from devices.models import User
from tests.dashboard.pages import Visit
from tests.made import NOON, make_alert

pytestmark = pytest.mark.django_db


def test_a_view_is_saved_shown_used_renamed_and_forgotten(visit: Visit, wearer: User, analyst: User) -> None:
    client = visit(analyst)
    saved = client.post("/alerts/views/", {"name": "  My   night ", "query": "?severity=HIGH&view=firing"})
    assert saved.url == "/alerts/?view=firing&severity=HIGH"
    view = SavedView.objects.get()
    assert (view.user, view.name, view.query) == (analyst, "My night", "view=firing&severity=HIGH")
    page = " ".join(client.get(saved.url).text.split())
    assert (
        '<a class="facet" href="?view=firing&amp;severity=HIGH" aria-current="true"><span>My night</span></a>' in page
    )
    client.post("/alerts/views/", {"name": "My night", "query": "?q=ann"})
    assert SavedView.objects.get().query == "q=ann"
    client.post(f"/alerts/views/{view.pk}/delete/")
    assert not SavedView.objects.exists()


def test_nobody_sees_or_forgets_anothers(visit: Visit, analyst: User, lead: User) -> None:
    view = SavedView.objects.create(user=analyst, name="Mine", query="q=ann")
    assert "Mine</span></a> <form" not in " ".join(visit(lead).get("/alerts/").text.split())
    visit(lead).post(f"/alerts/views/{view.pk}/delete/")
    assert SavedView.objects.exists()


def test_what_is_no_view_is_not_saved(visit: Visit, analyst: User) -> None:
    client = visit(analyst)
    assert client.post("/alerts/views/", {"name": "x", "query": "?view=nope"}).status_code == 400
    assert client.post("/alerts/views/", {"name": "\x00 ", "query": ""}).status_code == 400
    SavedView.objects.bulk_create(SavedView(user=analyst, name=str(n), query="") for n in range(MOST))
    refused = client.post("/alerts/views/", {"name": "one more", "query": ""})
    assert refused.status_code == 400
    assert "20 views are saved already. Go back, and forget one first." in refused.text
    assert client.post("/alerts/views/", {"name": "3", "query": "?q=x"}).status_code == 302


def test_rule_wearer_and_who_has_it_narrow_the_list_and_say_how_many(
    visit: Visit, wearer: User, other: User, lead: User, analyst: User
) -> None:
    make_alert(wearer, title="hers", triage="acknowledged", triaged_by=lead)
    make_alert(other, title="his")
    make_alert(other, title="given", assignee=analyst, episode="ended", end="cleared", started_at=NOON)
    client = visit(lead)

    def shown(query: str) -> list[str]:
        groups = client.get(f"/alerts/{query}").context["groups"]
        return sorted(row["alert"].title for _, rows in groups for row in rows)

    assert shown("?who=lead") == ["hers"]
    assert shown("?who=analyst") == ["given"]
    assert shown("?who=%23nobody") == ["his"]
    assert shown("?rule=tachycardia-at-rest&wearer=user_002") == ["given", "his"]
    assert shown("?rule=nothing") == []
    groups = client.get("/alerts/?rule=nothing").context["facets"].groups
    assert [(group.title, [(f.label, f.count, f.current) for f in group.shown]) for group in groups] == [
        ("Rule", [("nothing", "0", True), ("tachycardia-at-rest", "3", False)]),
        ("Wearer", []),
        ("Who has it", [("Me", "0", False), ("Nobody", "0", False)]),
    ]
    people = client.get("/alerts/").context["facets"].groups[2]
    assert [(f.label, f.count) for f in people.shown] == [("Me", "1"), ("Nobody", "1"), ("analyst", "1")]
