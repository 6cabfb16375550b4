"""Refused messages that are sent again: really, once, and by whom."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Reading, User
from ingestion.models import PartitionLedger, QuarantinedMessage
from ingestion.send.producer import Producer
from tests.ingestion.running import make_topic
from tests.ingestion.stream.test_pipeline import Shop, event
from tests.ingestion.topic import messages_of
from tests.made import make_user, make_wearer

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]


def refuse(offset: int, payload: bytes, **fields: Any) -> QuarantinedMessage:
    values = {
        "cluster_id": "c", "topic": "t", "partition": 0, "offset": offset, "reason": "unknown_user", "key": b"key",
        "payload": payload[:2048], "size": len(payload), "received_at": timezone.now(),
    }  # fmt: skip
    return QuarantinedMessage.objects.create(**(values | fields))


@pytest.fixture
def sender() -> User:
    return make_user("sender", "send_again")


@pytest.fixture
def client(sender: User) -> Client:
    client = Client()
    client.force_login(sender)
    return client


def send(client: Client, *rows: QuarantinedMessage, **more: str) -> str:
    """Send them again; what the page says of it."""
    response = client.post("/pipeline/again/", {"message": [row.pk for row in rows]} | more)
    assert response.status_code == 302, response.content
    said = " ".join(str(message) for message in client.get("/pipeline/").context["messages"])
    for row in rows:
        row.refresh_from_db()
    return said


def test_they_go_to_their_topic_with_their_key_and_are_stored_or_refused_anew(client: Client, sender: User) -> None:
    topic = make_topic()
    good, bad = json.dumps(event("person_7")).encode(), b"{"
    rows = [
        refuse(1, good, topic=topic, key=b"person_7"),
        refuse(2, bad, topic=topic, key=b"\xff\x00", reason="malformed_json"),
    ]
    assert "2 messages were sent again" in send(client, *rows)
    assert {(got.key, got.value) for got in messages_of(topic)} == {(b"person_7", good), (b"\xff\x00", bad)}
    assert [(row.sent_again_by, row.sent_again_offset is not None) for row in rows] == [(sender, True)] * 2
    shop = Shop()
    shop.write(*(got.value for got in messages_of(topic)), now=timezone.now())
    assert Reading.objects.filter(user__username="person_7").count() == 1
    assert QuarantinedMessage.objects.filter(topic="t", reason="malformed_json").count() == 1
    shown = {row.message.pk: row.became for row, _, _ in client.get("/pipeline/").context["rows"]}
    assert shown[rows[0].pk] == "on its way"


def test_the_row_says_what_came_of_it(client: Client) -> None:
    topic = make_topic()
    rows = [refuse(n, b"{}", topic=topic, key=b"one") for n in (101, 102)]
    send(client, *rows)
    assert rows[0].sent_again_partition is not None
    place = {"topic": topic, "partition": rows[0].sent_again_partition}
    refuse(rows[1].sent_again_offset or 0, b"{}", cluster_id="other", reason="wrong_type", **place)
    PartitionLedger.objects.create(cluster_id="other", next_offset=(rows[1].sent_again_offset or 0) + 1, **place)
    shown = {row.message.pk: row.became for row, _, _ in client.get("/pipeline/").context["rows"]}
    assert [shown[row.pk] for row in rows] == ["stored", "refused again, wrong_type"]


def test_each_is_sent_once(client: Client) -> None:
    topic = make_topic()
    row = refuse(1, b"{}", topic=topic)
    send(client, row)
    assert "1 message was not sent" in send(client, row)
    assert len(messages_of(topic)) == 1


def test_what_was_cut_is_not_sent_and_its_row_says_why(client: Client) -> None:
    topic = make_topic()
    row = refuse(1, b"x" * 2049, topic=topic)
    whole = refuse(2, b"x" * 2048, topic=topic)
    said = send(client, row, whole)
    assert "1 message was sent again" in said
    assert "1 message was not sent" in said
    assert (row.sent_again_at, whole.sent_again_at is None) == (None, False)
    page = client.get(f"/pipeline/?message={row.pk}").text
    assert "Only the first 2,048 of its 2,049 bytes were kept" in page
    assert "disabled" in page


def test_what_the_broker_does_not_take_may_be_tried_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.send.sending._made", [Producer({"bootstrap.servers": "127.0.0.1:1"})])
    monkeypatch.setattr("ingestion.page.sending_again.PATIENCE_S", 0.3)
    row = refuse(1, b"{}", topic="gone")
    assert "not taken by the broker" in send(client, row)
    assert row.sent_again_at is None


@pytest.mark.parametrize("rights", [(), ("view_payload", "view_all_wearers", "view_quarantinedmessage")])
def test_it_takes_a_permission_of_its_own(rights: tuple[str, ...]) -> None:
    row = refuse(1, b"{}")
    client = Client()
    assert client.post("/pipeline/again/", {"message": row.pk}).headers["Location"].startswith("/login/")
    client.force_login(make_wearer() if not rights else make_user("other", *rights))
    assert client.post("/pipeline/again/", {"message": row.pk}).status_code == 403
    assert 'name="message"' not in client.get(f"/pipeline/?message={row.pk}").text
    row.refresh_from_db()
    assert row.sent_again_at is None


@pytest.mark.parametrize("chosen", [["x"], ["-1"], ["9" * 30], ["1"] * 51, [""], ["\u0661"]])
def test_odd_choices_are_refused(client: Client, chosen: list[str]) -> None:
    assert client.post("/pipeline/again/", {"message": chosen}).status_code == 400


def test_choosing_none_says_so_and_it_leads_to_no_other_site(client: Client) -> None:
    assert "No message was chosen" in send(client)
    for back, where in (
        ("https://evil.test/", "/pipeline/#quarantine"),
        ("/pipeline/?range=7d", "/pipeline/?range=7d"),
    ):
        assert client.post("/pipeline/again/", {"next": back}).headers["Location"] == where


def test_it_needs_the_forms_token(sender: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(sender)
    assert client.post("/pipeline/again/", {"message": refuse(1, b"{}").pk}).status_code == 403
