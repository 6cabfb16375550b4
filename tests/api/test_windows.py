"""Windows by API: minute by minute, by page, and to those who may see the person."""

from datetime import timedelta

import pytest

from alerts.models import Summary
from devices.models import MetricWindow, User
from tests.api.test_errors import error
from tests.made import NOON, make_wearer

pytestmark = pytest.mark.django_db
WINDOWS = "/api/v1/windows/"


@pytest.fixture
def minutes(wearer: User) -> None:
    for number in range(1, 8):
        MetricWindow.objects.create(
            user=wearer, size_s=60, every_s=60, ended_at=NOON + timedelta(minutes=number), count=60, flags=1 << 8,
            received_at=NOON, is_fresh=True,
            count_heart_rate=2, avg_heart_rate=60.5, min_heart_rate=60, max_heart_rate=61, stddev_heart_rate=0.5,
            count_spo2_percent=1, avg_spo2_percent=97, min_spo2_percent=97, max_spo2_percent=97,
        )  # fmt: skip
    MetricWindow.objects.create(
        user=wearer, size_s=1800, every_s=60, ended_at=NOON, received_at=NOON, is_fresh=True, count=1, flags=0,
        count_heart_rate=1, avg_heart_rate=70, min_heart_rate=70, max_heart_rate=70,
    )  # fmt: skip


def test_a_minute_says_what_its_readings_come_to(call, wearer: User, minutes: None) -> None:
    (first, *_) = call(wearer).get(WINDOWS).json()["results"]
    assert first == {
        "user_id": "user_001",
        "started_at": "2026-03-01T12:00:00.000Z",
        "ended_at": "2026-03-01T12:01:00.000Z",
        "count": 60,
        "flags": ["suspect_heart_rate"],
        "metrics": {
            "heart_rate": {"count": 2, "avg": 60.5, "min": 60.0, "max": 61.0, "stddev": 0.5},
            "spo2_percent": {"count": 1, "avg": 97.0, "min": 97.0, "max": 97.0, "stddev": None},
        },
    }


def test_windows_that_rules_see_are_asked_for_by_their_size(call, wearer: User, minutes: None) -> None:
    client = call(wearer)
    (window,) = client.get(f"{WINDOWS}?size_s=1800&every_s=60").json()["results"]
    assert (window["started_at"], window["ended_at"]) == ("2026-03-01T11:30:00.000Z", "2026-03-01T12:00:00.000Z")
    assert list(window["metrics"]) == ["heart_rate"]
    assert client.get(f"{WINDOWS}?size_s=1800").json()["results"] == []
    assert error(client.get(f"{WINDOWS}?size_s=0"), 400)["fields"].keys() == {"size_s"}


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_leave_nothing_out(call, wearer: User, minutes: None, order: str) -> None:
    client, address, seen = call(wearer), f"{WINDOWS}?limit=3&order={order}", []
    while address:
        body = client.get(address).json()
        seen += [row["started_at"][14:16] for row in body["results"]]
        address = body["next"]
    expected = [f"{number:02}" for number in range(7)]
    assert seen == (expected if order == "oldest" else expected[::-1])


def test_a_span_holds_the_minutes_that_begin_in_it(call, analyst: User, minutes: None) -> None:
    query = "user_id=user_001&since=2026-03-01T12:01:00Z&until=2026-03-01T12:03:00Z"
    rows = call(analyst).get(f"{WINDOWS}?{query}").json()["results"]
    assert [row["started_at"][11:16] for row in rows] == ["12:01", "12:02"]


def test_a_span_may_end_when_time_does(call, wearer: User, minutes: None) -> None:
    client, last = call(wearer), "9999-12-31T23:59:59Z"
    assert client.get(f"{WINDOWS}?since={last}").json()["results"] == []
    assert len(client.get(f"{WINDOWS}?until={last}").json()["results"]) == 7


@pytest.mark.parametrize("query", ["since=x", "order=random", "cursor=AAAA", "limit=-1"])
def test_a_query_that_does_not_fit_is_named(call, wearer: User, query: str) -> None:
    assert list(error(call(wearer).get(f"{WINDOWS}?{query}"), 400)["fields"]) == [query.split("=", maxsplit=1)[0]]


def test_nobody_sees_the_minutes_of_a_stranger(call, wearer: User, minutes: None) -> None:
    other = make_wearer("user_002")
    assert call(other).get(f"{WINDOWS}?user_id=user_001").status_code == 404
    assert call(other).get(WINDOWS).json()["results"] == []


def test_a_minute_comes_in_the_units_asked_for(call, wearer: User) -> None:
    MetricWindow.objects.create(
        user=wearer, size_s=60, every_s=60, ended_at=NOON, received_at=NOON, is_fresh=True, count=2, flags=0,
        count_skin_temp_c=2, avg_skin_temp_c=30, min_skin_temp_c=29, max_skin_temp_c=31, stddev_skin_temp_c=1,
    )  # fmt: skip
    (row,) = call(wearer).get(f"{WINDOWS}?units=[degF]").json()["results"]
    assert row["metrics"] == {"skin_temp_f": {"count": 2, "avg": 86.0, "min": 84.2, "max": 87.8, "stddev": 1.8}}
    Summary.objects.create(
        user=wearer, period="hour", start=NOON, readings=2, alerts={}, made_at=NOON,
        metrics={"skin_temp_c": {"count": 2, "min": 29, "avg": 30, "max": 31}},
    )  # fmt: skip
    (row,) = call(wearer).get("/api/v1/summaries/?units=[degF]").json()["results"]
    assert row["metrics"] == {"skin_temp_f": {"count": 2, "min": 84.2, "avg": 86.0, "max": 87.8}}
