"""The list of devices: which are on it, in which state, in which order, and what it costs."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from devices.models import Device, PipelineStatus, User
from ingestion.models import PartitionLedger
from tests.dashboard.pages import Visit, just_now, read
from tests.made import make_wearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def worker(db: None) -> PipelineStatus:
    """A stream worker that lives."""
    now = timezone.now()
    return PipelineStatus.objects.create(consumer="c1", updated_at=now, started_at=now)


def kinds(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row.device.kind for row in response.context["rows"]]


def states(response: Any) -> dict[str, str]:
    assert response.status_code == 200, response.content
    return {row.device.kind: row.state for row in response.context["rows"]}


def chips(response: Any) -> dict[str, str]:
    return {chip.label: chip.count for chip in response.context["chips"]}


def wears(user: User, kind: str, *, ago_s: float | None = 0, **fields: Any) -> Device:
    seen = None if ago_s is None else timezone.now() - timedelta(seconds=ago_s)
    return Device.objects.create(user=user, kind=kind, last_seen_at=seen, **fields)


@pytest.mark.parametrize(
    ("who", "sees"),
    [("wearer", ["ring"]), ("analyst", ["ring"]), ("lead", ["ring", "watch"]), ("stranger", []), ("staff", [])],
)
def test_everyone_sees_the_devices_of_whom_they_may_see(  # noqa: PLR0917  # personas and cases
    visit: Visit, request: pytest.FixtureRequest, wearer: User, other: User, who: str, sees: list[str]
) -> None:
    wears(wearer, "ring")
    wears(other, "watch")
    page = visit(request.getfixturevalue(who)).get("/devices/")
    assert sorted(kinds(page)) == sees
    assert page.context["kinds"] == sees
    assert chips(page)["All"] == str(len(sees))


def test_who_sees_none_is_told_why(visit: Visit, stranger: User) -> None:
    assert "No device yet" in visit(stranger).get("/devices/").text
    assert "Clear filters" in visit(stranger).get("/devices/?q=zzz").text


def test_a_device_is_stale_and_then_silent_by_the_limits_of_the_rules(visit: Visit, lead: User, wearer: User) -> None:
    for kind, ago_s in (("a", 105), ("b", 125), ("c", 285), ("d", 305), ("e", None)):
        wears(wearer, kind, ago_s=ago_s)
    page = visit(lead).get("/devices/?sort=name")
    assert states(page) == {"a": "fine", "b": "stale", "c": "stale", "d": "silent", "e": "silent"}
    assert chips(page) == {"All": "5", "Fine": "1", "Stale": "2", "Silent": "2"}
    assert sorted(kinds(visit(lead).get("/devices/?show=stale"))) == ["b", "c"]


def test_our_own_outage_is_nobodys_silence(visit: Visit, lead: User, wearer: User, worker: PipelineStatus) -> None:
    wears(wearer, "heard last", ago_s=3600)
    wears(wearer, "stale by then", ago_s=3600 + 200)
    wears(wearer, "silent by then", ago_s=3600 + 400)
    PipelineStatus.objects.all().delete()
    page = visit(lead).get("/devices/")
    assert states(page) == {"heard last": "fine", "stale by then": "stale", "silent by then": "silent"}
    assert page.context["rows"][0].missed == 0
    assert "Telara has not listened since" in page.text
    worker.updated_at = timezone.now() - timedelta(seconds=3400)
    worker.save()
    page = visit(lead).get("/devices/")
    assert states(page)["heard last"] == "stale"


def test_nobody_is_judged_before_what_came_during_an_outage_is_read(visit: Visit, lead: User, wearer: User) -> None:
    wears(wearer, "heard last", ago_s=3600)
    wears(wearer, "stale by then", ago_s=3600 + 200)
    known = timezone.now() - timedelta(seconds=3600)
    for partition, until in enumerate((known, timezone.now())):
        PartitionLedger.objects.create(
            cluster_id="c", topic=settings.TELARA_TOPIC_RAW, partition=partition, next_offset=1,
            listening_since=known - timedelta(hours=1), consumed_until=until,
        )  # fmt: skip
    page = visit(lead).get("/devices/")
    assert states(page) == {"heard last": "fine", "stale by then": "stale"}
    assert "is still reading what came since" in page.text
    PartitionLedger.objects.update(consumed_until=timezone.now())
    page = visit(lead).get("/devices/")
    assert set(states(page).values()) == {"silent"}
    assert page.context["deaf_since"] is None


def test_a_device_that_speaks_seldom_has_longer(visit: Visit, lead: User, wearer: User, other: User) -> None:
    wears(wearer, "set", ago_s=800, cadence_s=300)
    wears(wearer, "set late", ago_s=1000, cadence_s=300)
    wears(wearer, "set gone", ago_s=1900, cadence_s=300)
    until = just_now() - timedelta(seconds=1000)
    read(other, times=12, until=until, every=timedelta(minutes=5), heart_rate=70)
    wears(other, "usual", ago_s=1000)
    page = visit(lead).get("/devices/")
    assert states(page) == {"set": "fine", "set late": "stale", "set gone": "silent", "usual": "stale"}
    rows = {row.device.kind: row for row in page.context["rows"]}
    assert (rows["usual"].every_s, rows["usual"].missed, rows["set"].missed) == (300.0, 3, 0)


def test_the_worst_come_first_and_it_is_found_by_name_and_kind(visit: Visit, lead: User, wearer: User) -> None:
    bob = make_wearer("user_003", display_name="Bob")
    wears(wearer, "watch")
    wears(wearer, "belt", ago_s=200)
    wears(bob, "ring", ago_s=400, external_id="SN-77")
    client = visit(lead)
    assert kinds(client.get("/devices/")) == ["ring", "belt", "watch"]
    assert kinds(client.get("/devices/?sort=name")) == ["watch", "belt", "ring"]
    for query in ("q=bob", "q=user_003", "q=sn-7", "kind=ring", "show=silent", "q=RING"):
        assert kinds(client.get(f"/devices/?{query}")) == ["ring"], query


@pytest.mark.parametrize("sort", ["worst", "name"])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(visit: Visit, lead: User, sort: str) -> None:
    people = [make_wearer(f"w_{n:02}") for n in range(3)]
    now = timezone.now()
    Device.objects.bulk_create(
        Device(user=people[n % 3], kind=f"k{n:02}", last_seen_at=now - timedelta(seconds=n * 10)) for n in range(60)
    )
    client, address, seen = visit(lead), f"/devices/?sort={sort}", []
    while address:
        page = client.get(address)
        seen += kinds(page)
        address = page.context["page"].next_page and f"/devices/{page.context['page'].next_page}"
    assert sorted(seen) == [f"k{n:02}" for n in range(60)]


@pytest.mark.parametrize(("sort", "head"), [("worst", "State"), ("name", "Wearer")])
def test_the_head_that_it_is_sorted_by_says_so(visit: Visit, lead: User, wearer: User, sort: str, head: str) -> None:
    wears(wearer, "ring")
    text = visit(lead).get(f"/devices/?sort={sort}").text
    assert re.findall(r"<th[^>]*aria-sort=[^>]*>(\w+)", text) == [head]


@pytest.mark.parametrize("query", ["show=x", "sort=x", "rows=7", "after=1", "after=x_1_a"])
def test_what_cannot_be_is_refused(visit: Visit, lead: User, query: str) -> None:
    assert visit(lead).get(f"/devices/?{query}").status_code == 400


def test_htmx_gets_the_parts_alone(visit: Visit, lead: User) -> None:
    page = visit(lead).get("/devices/", headers={"HX-Request": "true"}).text
    assert "<html" not in page
    assert 'data-part="devices"' in page
    assert 'data-part="chips"' in page
