"""Readings read back by API: in order, by page, never counted."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from devices.models import Reading, User
from tests.api.test_errors import error
from tests.made import NOON, make_partitions, make_wearer

pytestmark = pytest.mark.django_db
READINGS = "/api/v1/readings/"


@pytest.fixture
def day(wearer: User) -> list[datetime]:
    """Ten readings of one wearer; the first two at one moment."""
    times = [NOON, NOON, *(NOON + timedelta(minutes=n) for n in range(1, 9))]
    make_partitions(*times)
    for number, at in enumerate(times):
        values = {"heart_rate": 60.0 + number, "spo2_percent": 97.0 if number % 2 else None}
        Reading.objects.create(
            user=wearer, recorded_at=at, received_at=at, event_id=UUID(int=100 - number), flags=1 | 1 << 9, **values
        )
    return times


def test_readings_come_in_the_order_of_time_and_id(call, wearer: User, day: list[datetime]) -> None:
    rows = call(wearer).get(READINGS).json()["results"]
    assert [row["heart_rate"] for row in rows] == [61.0, 60.0, *(60.0 + n for n in range(2, 10))]
    assert rows[0] | {"posture": None} == rows[0]
    assert (rows[0]["user_id"], rows[0]["recorded_at"]) == ("user_001", "2026-03-01T12:00:00.000Z")
    assert rows[0]["flags"] == ["late", "suspect_hrv"]
    assert rows[0]["doubts"] == {"hrv_ms": "out of bounds"}


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_leave_nothing_out(call, wearer: User, day: list[datetime], order: str) -> None:
    client, address, seen = call(wearer), f"{READINGS}?limit=3&order={order}", []
    while address:
        body = client.get(address).json()
        seen += [row["heart_rate"] for row in body["results"]]
        address = body["next"]
    expected = [61.0, 60.0, *(60.0 + n for n in range(2, 10))]
    assert seen == (expected if order == "oldest" else expected[::-1])


def test_a_span_and_metrics_narrow(call, analyst: User, day: list[datetime]) -> None:
    query = "user_id=user_001&since=2026-03-01T12:01:00Z&until=2026-03-01T13:03:00%2B01:00&metric=spo2_percent"
    rows = call(analyst).get(f"{READINGS}?{query}").json()["results"]
    assert [row["spo2_percent"] for row in rows] == [97.0]
    assert "heart_rate" not in rows[0]


@pytest.mark.parametrize("query", ["metric=pulse", "since=x", "order=random", "cursor=AAAA", "limit=-1"])
def test_a_query_that_does_not_fit_is_named(call, wearer: User, query: str) -> None:
    assert list(error(call(wearer).get(f"{READINGS}?{query}"), 400)["fields"]) == [query.split("=", maxsplit=1)[0]]


def test_a_page_takes_few_queries_and_never_counts(
    call, wearer: User, day: list[datetime], django_assert_max_num_queries
) -> None:
    client = call(wearer)
    client.get(READINGS)
    with django_assert_max_num_queries(5) as queries:
        client.get(READINGS)
    assert not any("COUNT(" in query["sql"].upper() for query in queries)


def test_a_stranger_reads_nothing_not_even_that_somebody_is_there(call, stranger: User) -> None:
    make_wearer("user_005")
    client = call(stranger)
    answers = [client.get(f"{READINGS}?user_id={name}").json() for name in ("user_005", "nobody")]
    assert answers[0] == answers[1]


def test_values_come_in_the_units_asked_for_under_names_of_their_own(call, wearer: User) -> None:
    make_partitions(NOON)
    Reading.objects.create(
        user=wearer, recorded_at=NOON, received_at=NOON, event_id=UUID(int=1), flags=1 << 11 | 1 << 15,
        skin_temp_c=43.0, blood_glucose_mg_dl=450.39, heart_rate=61.0,
    )  # fmt: skip
    client, units = call(wearer), "units=mmol/L,[degF]"
    (row,) = client.get(f"{READINGS}?{units}").json()["results"]
    assert (row["blood_glucose_mmol_l"], row["skin_temp_f"], row["heart_rate"]) == (25.0, 109.4, 61.0)
    assert set(row["doubts"]) == {"skin_temp_f", "blood_glucose_mmol_l"}
    assert not {"blood_glucose_mg_dl", "skin_temp_c"} & row.keys()
    (row,) = client.get(f"{READINGS}?units=[degF]").json()["results"]
    assert (row["blood_glucose_mg_dl"], row["skin_temp_f"]) == (450.39, 109.4)
    newest = client.get(f"/api/v1/wearers/user_001/?{units}").json()["newest"]
    assert newest["skin_temp_f"]["value"] == 109.4
    wrong = client.get(f"{READINGS}?units=kelvin")
    assert error(wrong, 400)["fields"].keys() == {"units"}
