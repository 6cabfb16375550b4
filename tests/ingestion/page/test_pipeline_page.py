"""The pipeline's page: what it answers, to whom, and what it costs."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.background import tick_write
from devices.erasures import erasure_ask, erasures_tried
from devices.models import BackgroundTick, PipelineStatus, User
from ingestion.models import PartitionLedger, PipelineMinute, QuarantinedMessage
from tests.made import make_alert, make_user, make_wearer

pytestmark = pytest.mark.django_db
SECRET = b'{"event_id":"x","user_id":"user_029","vitals":{"heart_rate":412,"spo2_percent":97}}'


@pytest.fixture(autouse=True)
def _half_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute ends during a test."""
    now = timezone.now().replace(second=30)
    monkeypatch.setattr(timezone, "now", lambda: now)


def this_minute() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


def visit(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


@pytest.fixture
def lead(db: None) -> User:
    """May see everything here, and send again."""
    return make_user("lead", "view_all_wearers", "view_payload", "send_again")


@pytest.fixture
def analyst(db: None) -> User:
    return make_user("analyst", watches=(make_wearer(),))


def make_minute(*, back: int = 1, **fields: Any) -> PipelineMinute:
    """A row of `back` minutes ago."""
    minute = this_minute() - timedelta(minutes=back)
    values = {"minute": minute, "consumer": "c1", "started_at": minute, "stored": 60, "batches": 6}
    return PipelineMinute.objects.create(**(values | fields))


def make_pipeline(*, lag: int = 0, age_s: float = 1, **fields: Any) -> None:
    """A topic of two partitions, a consumer that has both, and has stored a reading a second for ten minutes, and a
    background worker."""
    now = timezone.now()
    tick_write(at=now)
    at = now - timedelta(seconds=age_s)
    held = [["biometrics-raw", 0, 700, lag], ["biometrics-raw", 1, 600, 0]]
    values = {"updated_at": at, "started_at": now - timedelta(hours=1), "lag": lag, "partitions": held,
              "events_per_second": 1.0, "delay_p99_s": 0.2, "evaluated_at": at}  # fmt: skip
    PipelineStatus.objects.create(consumer="c1", **(values | fields))
    for number, offset in ((0, 700), (1, 600)):
        PartitionLedger.objects.create(
            cluster_id="c", topic="biometrics-raw", partition=number, next_offset=offset, owner="c1"
        )
    for back in range(1, 11):
        standing = [["biometrics-raw", 0, 700 - 30 * back, lag], ["biometrics-raw", 1, 600 - 30 * back, 0]]
        make_minute(back=back, partitions=standing, stored_p50_s=0.1, stored_p99_s=0.2, stored_worst_s=0.3)


def refuse(offset: int = 1, **fields: Any) -> QuarantinedMessage:
    values = {
        "cluster_id": "c", "topic": "biometrics-raw", "partition": 3, "offset": offset, "reason": "out_of_range",
        "field": "vitals.heart_rate", "key": b"user_029", "payload": SECRET, "size": len(SECRET),
        "received_at": timezone.now() - timedelta(seconds=offset),
    }  # fmt: skip
    return QuarantinedMessage.objects.create(**(values | fields))


def answer(user: User) -> str:
    return visit(user).get("/pipeline/").context["answer"].says


def offsets(response: Any) -> list[int]:
    assert response.status_code == 200, response.content
    return [row.message.offset for row, _, _ in response.context["rows"]]


# The answer.


def test_it_says_in_a_sentence_that_all_is_well(analyst: User) -> None:
    make_pipeline()
    page = visit(analyst).get("/pipeline/")
    assert page.context["answer"].says == "Data is coming in, all of it, in time."
    assert page.context["reading"].lag == 0
    assert page.context["outcomes"].messages == 600
    assert "c1" in page.text


def test_it_says_when_it_is_late(analyst: User) -> None:
    make_pipeline(lag=501)
    assert answer(analyst) == "Data is coming in, but late."
    PipelineStatus.objects.update(lag=0, delay_p99_s=2.1)
    assert answer(analyst) == "Data is coming in, but late."


def test_it_says_when_much_is_refused(analyst: User) -> None:
    make_pipeline()
    make_minute(quarantined=30, stored=0, consumer="c2", reasons={"out_of_range": 30})
    page = visit(analyst).get("/pipeline/")
    assert page.context["answer"].says == "Data is coming in, but much of it is refused."
    assert [(code, count) for code, _, count in page.context["reasons"]] == [("out_of_range", 30)]


def test_it_says_when_nothing_comes(analyst: User) -> None:
    make_pipeline(events_per_second=0)
    for seconds, says in ((50, "Data is coming in, all of it, in time."), (61, "Nothing is coming in.")):
        PipelineStatus.objects.update(evaluated_at=timezone.now() - timedelta(seconds=seconds))
        assert answer(analyst) == says
    PipelineStatus.objects.update(evaluated_at=None)
    assert answer(analyst) == "Nothing is coming in."
    PipelineStatus.objects.update(events_per_second=0.1)
    assert answer(analyst) == "Data is coming in, all of it, in time."


def test_a_topic_that_nobody_reads_any_more_is_left_out(analyst: User) -> None:
    make_pipeline()
    PartitionLedger.objects.create(cluster_id="c", topic="old", partition=0, next_offset=5, owner="c0")

    def topics() -> set[str]:
        return {each.topic for each in visit(analyst).get("/pipeline/").context["reading"].partitions}

    assert (topics(), answer(analyst)) == ({"biometrics-raw", "old"}, "A partition is read by nobody.")
    PartitionLedger.objects.filter(topic="old").update(updated_at=timezone.now() - timedelta(minutes=61))
    assert (topics(), answer(analyst)) == ({"biometrics-raw"}, "Data is coming in, all of it, in time.")
    PartitionLedger.objects.update(updated_at=timezone.now() - timedelta(days=1))
    PipelineStatus.objects.all().delete()
    assert topics() == {"biometrics-raw", "old"}


def test_times_are_by_the_clock_of_who_reads(lead: User) -> None:
    lead.time_zone = "Asia/Kolkata"
    lead.save()
    make_pipeline(age_s=11)
    refuse(1, received_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    page = visit(lead).get("/pipeline/?since=2026-03-01T18:00&until=2026-03-01T18:01")
    assert offsets(page) == [1]
    assert "1 Mar 18:00:00" in page.text
    assert "Received (Kolkata)" in page.text
    assert 'value="2026-03-01T18:00"' in page.text
    assert "Kolkata" in page.context["answer"].means
    assert offsets(visit(lead).get("/pipeline/?since=2026-03-01T12:31Z")) == []


def test_it_says_when_no_consumer_lives_and_what_to_do(analyst: User) -> None:
    make_pipeline(age_s=11)
    page = visit(analyst).get("/pipeline/")
    assert page.context["answer"].says == "No stream worker is running."
    assert "manage.py run_consumer" in page.text
    assert "gone: others take its partitions" in page.text


def test_it_says_that_nobody_is_told_while_no_background_worker_runs(analyst: User) -> None:
    make_pipeline()
    BackgroundTick.objects.update(at=timezone.now() - timedelta(seconds=31))
    page = visit(analyst).get("/pipeline/")
    assert page.context["answer"].says == "Data is coming in, but nobody is told."
    assert "No background worker has run since" in page.context["answer"].means
    BackgroundTick.objects.all().delete()
    assert "No background worker has run:" in visit(analyst).get("/pipeline/").context["answer"].means


def test_it_says_that_somebodys_data_could_not_be_deleted_and_what_to_do(analyst: User) -> None:
    make_pipeline()
    assert "could not be deleted" not in visit(analyst).get("/pipeline/").text
    erasure = erasure_ask(user=make_wearer("gone"), at=timezone.now(), grace=timedelta())
    erasures_tried(broken={erasure.pk: "ValueError"}, well=(), at=timezone.now())
    page = visit(analyst).get("/pipeline/").text
    assert "The data of 1 person could not be deleted." in page
    assert "ValueError" in page
    assert "gone" not in page


def test_it_says_when_a_partition_is_read_by_nobody(analyst: User) -> None:
    make_pipeline()
    PartitionLedger.objects.create(cluster_id="c", topic="biometrics-raw", partition=2, next_offset=0, owner="gone")
    assert answer(analyst) == "A partition is read by nobody."


def test_partitions_of_a_broker_that_is_gone_are_not_missed(analyst: User) -> None:
    PartitionLedger.objects.create(cluster_id="old", topic="biometrics-raw", partition=9, next_offset=5, owner="gone")
    make_pipeline()
    page = visit(analyst).get("/pipeline/")
    assert [each.number for each in page.context["reading"].partitions] == [0, 1]


def test_partitions_that_a_topic_made_anew_no_longer_has_are_not_missed(analyst: User) -> None:
    PartitionLedger.objects.create(
        cluster_id="c", topic="biometrics-raw", topic_id="old", partition=9, next_offset=5, owner="gone"
    )
    make_pipeline()
    PartitionLedger.objects.exclude(partition=9).update(topic_id="new")
    page = visit(analyst).get("/pipeline/")
    assert [each.number for each in page.context["reading"].partitions] == [0, 1]


def test_an_empty_installation_says_how_to_begin(analyst: User) -> None:
    page = visit(analyst).get("/pipeline/").text
    for said in (
        "Nothing has come in yet",
        "manage.py run_consumer",
        "No partition is read yet",
        "Nothing was refused",
    ):
        assert said in page


# Figures.


def test_partitions_that_lag_most_come_first_with_their_rate(analyst: User) -> None:
    make_pipeline(lag=7)
    PipelineStatus.objects.update(partitions=[["biometrics-raw", 0, 700, 0], ["biometrics-raw", 1, 600, 7]])
    first, second = visit(analyst).get("/pipeline/").context["reading"].partitions
    assert (first.number, first.lag, first.reader, first.next_offset) == (1, 7, "c1", 600)
    assert (second.lag, second.per_second) == (0, 0.5)


@pytest.mark.parametrize(("name", "bars"), [("1h", 60), ("24h", 48), ("7d", 56)])
def test_the_bars_of_every_span_add_up_to_what_came(analyst: User, name: str, bars: int) -> None:
    make_pipeline()
    page = visit(analyst).get(f"/pipeline/?range={name}")
    assert len(page.context["plot"].columns) == bars
    assert page.context["outcomes"].stored == 600


def test_a_minute_below_the_usual_and_one_that_nobody_read_stand_out(analyst: User) -> None:
    make_pipeline()
    PipelineMinute.objects.filter(minute=this_minute() - timedelta(minutes=3)).update(stored=30)
    PipelineMinute.objects.filter(minute=this_minute() - timedelta(minutes=5)).delete()
    plot = visit(analyst).get("/pipeline/").context["plot"]
    assert (plot.usual, plot.low, plot.unknown) == (60, 1, 1)


def test_how_long_until_somebody_was_told_is_of_clinical_alerts(analyst: User) -> None:
    make_pipeline()
    at = timezone.now() - timedelta(minutes=5)
    make_alert(make_wearer("user_002"), opened_at=at, loud_at=at + timedelta(seconds=1.5))
    stages = visit(analyst).get("/pipeline/").context["delays"]
    assert [stage.texts for stage in stages[1:]] == [("0.10 s", "0.20 s", "0.30 s"), ("1.50 s", "1.50 s", "1.50 s")]


def test_htmx_gets_the_parts_alone(analyst: User) -> None:
    make_pipeline()
    page = visit(analyst).get("/pipeline/", headers={"HX-Request": "true"}).text
    assert "<html" not in page
    for part in (
        "answer",
        "figures",
        "plot",
        "bars",
        "outcomes",
        "partitions",
        "readers",
        "delays",
        "kept",
        "quarantine",
    ):
        assert f'data-part="{part}"' in page


# The quarantine.


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]),
        ("reason=wrong_type", [2]),
        ("topic=other", [3]),
        ("topic=nowhere", []),
        ("since=2026-03-01T12:00&until=2026-03-01T12:30", [3]),
        ("until=2026-03-01T14:30%2B02:00", [3]),
        ("since=2026-03-01T12:31", [1, 2]),
    ],
)
def test_it_is_narrowed_by_reason_topic_and_time(lead: User, query: str, found: list[int]) -> None:
    refuse(1)
    refuse(2, reason="wrong_type")
    refuse(3, topic="other", received_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    assert offsets(visit(lead).get(f"/pipeline/?{query}")) == found


@pytest.mark.parametrize(
    "query",
    ["range=2h", "reason=because", "since=yesterday", "until=0001-01-01T00:00", "before=5", "message=-1",
     "before=2026-03-01T12:00:00Z_x", "message=99999999999999999999"],
)  # fmt: skip
def test_what_cannot_be_is_refused(lead: User, query: str) -> None:
    assert visit(lead).get(f"/pipeline/?{query}").status_code == 400


def test_pages_follow_each_other_without_a_gap_or_a_repeat(lead: User) -> None:
    at = timezone.now()
    for offset in range(120):
        refuse(offset, received_at=at - timedelta(seconds=offset // 7))
    client, address, seen = visit(lead), "/pipeline/", []
    while address:
        page = client.get(address)
        seen += offsets(page)
        address = page.context["next_page"] and f"/pipeline/{page.context['next_page']}"
    assert len(seen) == 120
    assert sorted(seen) == list(range(120))


def test_a_message_opens_with_its_coordinates_its_reason_and_its_bytes(lead: User) -> None:
    row = refuse(1_189_977)
    page = visit(lead).get(f"/pipeline/?message={row.pk}").text
    for said in (
        "biometrics-raw, partition 3, offset 1,189,977", "Heart rate is out of range: taken is 1 to 350 bpm",
        "<mark>&quot;heart_rate&quot;:412</mark>", "0000  7b 22 65 76 65 6e 74", "user_029",
    ):  # fmt: skip
        assert said in page, said


@pytest.mark.parametrize("rights", [(), ("view_payload",), ("view_all_wearers",), ("view_all_wearers", "send_again")])
def test_the_bytes_are_for_who_may_see_them_and_everybody(rights: tuple[str, ...]) -> None:
    row = refuse(7)
    page = visit(make_user("somebody", *rights)).get(f"/pipeline/?message={row.pk}").text
    assert "offset 7" in page
    assert "Heart rate is out of range" in page
    for hidden in (r"\b412\b", "user_029", "7b 22"):  # no part of the microseconds of a time
        assert not re.search(hidden, page), hidden


def test_bytes_do_nothing_to_the_page(lead: User) -> None:
    row = refuse(1, payload=b"<script>alert(1)</script>\x00\xff\x1b[31m\xe2\x80\xae", key=b"\xff<b>", field="")
    page = visit(lead).get(f"/pipeline/?message={row.pk}")
    assert b"<script>alert(1)" not in page.content
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\x00\xff\x1b[31m\u202e" in page.text
    assert r"\xff&lt;b&gt;" in page.text


def test_a_message_that_is_gone_is_said_to_be(lead: User) -> None:
    assert "not here any more" in visit(lead).get("/pipeline/?message=999999").text


def test_it_asks_as_often_for_many_rows_as_for_one(lead: User) -> None:
    make_pipeline()
    client = visit(lead)

    def queries(query: str = "") -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/pipeline/{query}").status_code == 200
        return len(captured)

    refuse(1, sent_again_at=timezone.now(), sent_again_by=lead, sent_again_partition=0, sent_again_offset=1)
    queries()
    few = queries()
    for offset in range(2, 60):
        refuse(
            offset, sent_again_at=timezone.now(), sent_again_by=lead, sent_again_partition=0, sent_again_offset=offset
        )
        make_minute(back=offset, consumer=f"c{offset}")
    assert queries() == few
    assert few <= 19
    opened = f"?message={QuarantinedMessage.objects.first().pk}"
    queries(opened)  # that it was opened is noted once an hour
    assert queries(opened) <= few + 3


def test_no_list_reads_a_payload(lead: User) -> None:
    refuse()
    client = visit(lead)
    with CaptureQueriesContext(connection) as captured:
        client.get("/pipeline/")
    assert not [query["sql"] for query in captured if '"payload"' in query["sql"]]
