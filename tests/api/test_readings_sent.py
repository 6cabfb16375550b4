"""Readings sent by API: judged as in the stream, accepted when the broker has them."""

import json
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings as live_settings
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device, User
from ingestion.send.producer import Producer
from ingestion.send.topics import partitions_of
from tests.api.test_errors import error
from tests.ingestion.topic import messages_of

pytestmark = [pytest.mark.django_db, pytest.mark.kafka, pytest.mark.usefixtures("topic")]
READINGS = "/api/v1/readings/"


@pytest.fixture(scope="module")
def made_topic() -> str:
    """A topic of these tests alone."""
    name = f"test-{uuid4()}"
    if not live_settings.TELARA_KAFKA_EMBEDDED:
        admin = AdminClient(dict(live_settings.KAFKA))
        admin.create_topics([NewTopic(name, 4, 1)])[name].result(10)
    partitions_of(live_settings.KAFKA, name)
    return name


@pytest.fixture
def topic(made_topic: str, settings) -> str:
    settings.TELARA_TOPIC_RAW = made_topic
    return made_topic


@pytest.fixture
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is not there."""
    monkeypatch.setattr("ingestion.intake.PATIENCE_S", 0.2)
    monkeypatch.setattr("ingestion.send.sending._made", [Producer({"bootstrap.servers": "127.0.0.1:1"})])


def sent(topic: str, *events: dict[str, Any]) -> list[tuple[str, dict]]:
    """Which of `events` lie in the topic: key and event, in their order."""
    values = [(m.key.decode(), json.loads(m.value)) for m in messages_of(topic) if m.key]
    found = {event["event_id"]: (key, event) for key, event in values}
    return [found[event["event_id"]] for event in events if event["event_id"] in found]


def event(user_id: str = "user_001", **fields: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid4()),
        "timestamp": timezone.now().isoformat(),
        "user_id": user_id,
        "vitals": {"heart_rate": 72},
    } | fields


def test_one_event_is_accepted_once_the_broker_has_it(call, wearer: User, topic: str) -> None:
    one = event()
    response = call(wearer).post(READINGS, one, format="json")
    assert (response.status_code, response.json()) == (202, {"accepted": 1, "rejected": 0, "errors": []})
    assert sent(topic, one) == [("user_001", one)]


def test_a_post_that_is_half_good_is_accepted_with_its_errors(call, wearer: User, topic: str) -> None:
    items = [
        event(),
        event(vitals={"heart_rate": "72"}),
        event("user_002"),
        5,
        event(),
        event(vitals={"heart_rate": 500}),
        event(timestamp="2026-03-01T12:00:00"),
        {key: value for key, value in event().items() if key != "user_id"},
        event(timestamp="9999-12-31T23:59:59-14:00"),
        event(note="x" * 70_000),
    ]
    body = call(wearer).post(READINGS, items, format="json").json()
    assert (body["accepted"], body["rejected"]) == (2, 8)
    assert [(e["index"], e["code"], e["field"]) for e in body["errors"]] == [
        (1, "wrong_type", "vitals.heart_rate"),
        (2, "not_allowed", "user_id"),
        (3, "wrong_type", ""),
        (5, "out_of_range", "vitals.heart_rate"),
        (6, "bad_timestamp", "timestamp"),
        (7, "missing_field", "user_id"),
        (8, "future_timestamp", "timestamp"),
        (9, "too_large", ""),
    ]
    assert sent(topic, items[0], items[1], items[2], items[4]) == [("user_001", items[0]), ("user_001", items[4])]


def test_a_devices_token_sends_for_its_wearer_only_whatever_that_person_may(
    device_client: APIClient, lead: User, device: Device
) -> None:
    Device.objects.update(user=lead)
    body = device_client.post(READINGS, [event("lead"), event("user_001")], format="json").json()
    assert [(e["index"], e["code"]) for e in body["errors"]] == [(1, "not_allowed")]


@pytest.mark.parametrize(
    ("who", "accepted"),
    [("wearer", ["user_001"]), ("analyst", []), ("stranger", []), ("lead", ["user_001", "user_002", "newcomer"])],
)
def test_who_may_send_for_whom(call, request: pytest.FixtureRequest, wearer: User, who: str, accepted: list) -> None:
    client = call(request.getfixturevalue(who))
    people = ["user_001", "user_002", "newcomer"]
    body = client.post(READINGS, [event(user_id) for user_id in people], format="json").json()
    refused = {error["index"] for error in body["errors"]}
    assert [user_id for place, user_id in enumerate(people) if place not in refused] == accepted
    assert {error["code"] for error in body["errors"]} <= {"not_allowed"}


def test_nobody_sends_anonymously(call) -> None:
    assert error(call(None).post(READINGS, event(), format="json"), 401)["code"] == "not_authenticated"


def test_where_people_are_not_provisioned_an_unknown_one_is_named(call, lead: User, wearer: User, settings) -> None:
    settings.TELARA_UNKNOWN_USERS = "quarantine"
    body = call(lead).post(READINGS, [event("user_001"), event("newcomer")], format="json").json()
    assert body["errors"] == [{"index": 1, "code": "unknown_user", "field": "user_id"}]


def test_a_thousand_items_are_taken_and_one_more_is_not(call, wearer: User, topic: str) -> None:
    client = call(wearer)
    small = [event(vitals={"heart_rate": 60 + n % 40}) for n in range(1001)]
    assert error(client.post(READINGS, small, format="json"), 413)["code"] == "too_many_items"
    assert client.post(READINGS, small[:1000], format="json").json()["accepted"] == 1000
    assert len(sent(topic, *small)) == 1000


def test_more_than_a_mebibyte_is_not_taken(call, wearer: User) -> None:
    body = json.dumps(event()).encode()
    client = call(wearer)
    fits = client.post(READINGS, body + b" " * (2**20 - len(body)), content_type="application/json")
    assert fits.status_code == 202
    over = client.post(READINGS, body + b" " * (2**20 + 1 - len(body)), content_type="application/json")
    assert error(over, 413)["code"] == "too_large"
    ten_mb = client.post(READINGS, b"[" + b"0," * 5_000_000 + b"0]", content_type="application/json")
    assert error(ten_mb, 413)["code"] == "too_large"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 30_000 + b"]" * 30_000, b'{"a": 1,}', b"\x00"])
def test_what_is_not_json_is_told_so(call, wearer: User, body: bytes) -> None:
    response = call(wearer).post(READINGS, body, content_type="application/json")
    assert error(response, 400)["code"] == "malformed_json"


def test_a_form_is_no_reading(call, wearer: User) -> None:
    response = call(wearer).post(READINGS, "a=b", content_type="application/x-www-form-urlencoded")
    assert error(response, 415)["code"] == "unsupported_media_type"


def test_an_empty_list_is_fine(call, wearer: User) -> None:
    response = call(wearer).post(READINGS, [], format="json")
    assert (response.status_code, response.json()["accepted"]) == (202, 0)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "true", '"72"'])
def test_a_value_that_is_no_number_is_a_wrong_type(call, wearer: User, value: str) -> None:
    body = json.dumps(event(vitals={"heart_rate": "HERE"})).replace('"HERE"', value)
    response = call(wearer).post(READINGS, body, content_type="application/json")
    assert response.json()["errors"] == [{"index": 0, "code": "wrong_type", "field": "vitals.heart_rate"}]


def test_a_broker_that_does_not_answer_is_a_503(call, wearer: User, nobody_answers: None) -> None:
    response = call(wearer).post(READINGS, [event(), 5], format="json")
    assert error(response, 503)["code"] == "unavailable"
    assert int(response["Retry-After"]) > 0


class Forgetful(Producer):
    """Has the broker take every second message."""

    def deliver(self, messages: Any, *, timeout_s: float) -> list[bool]:
        return [place % 2 == 0 for place, _ in enumerate(messages)]


def test_what_the_broker_took_in_part_is_not_accepted(call, wearer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.send.sending._made", [Forgetful({"bootstrap.servers": "127.0.0.1:1"})])
    assert error(call(wearer).post(READINGS, [event(), event()], format="json"), 503)["code"] == "unavailable"


def test_without_anything_good_the_broker_is_not_asked(call, wearer: User, nobody_answers: None) -> None:
    assert call(wearer).post(READINGS, [5], format="json").status_code == 202
