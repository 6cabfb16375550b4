"""What was refused is copied to a topic, with its reason and coordinates."""

import base64
import json
from uuid import uuid4

import pytest
from confluent_kafka import Consumer
from django.conf import settings
from django.utils import timezone

from ingestion.models import QuarantinedMessage
from ingestion.send.publish import AlertPublisher
from tests.ingestion.running import make_topic

pytestmark = [pytest.mark.kafka, pytest.mark.django_db]


def test_it_copies_what_was_refused_under_its_own_key() -> None:
    topic = make_topic()
    row = QuarantinedMessage(
        topic="biometrics-raw",
        partition=2,
        offset=41,
        reason="out_of_range",
        field="vitals.heart_rate",
        key=b"user_001",
        payload=b"\xff{",
        size=2,
        received_at=timezone.now(),
    )
    publisher = AlertPublisher(kafka=settings.KAFKA, topic=make_topic(), dead_letter_topic=topic)
    publisher.send_dead_letters([row])
    publisher.mark(at=timezone.now(), wait_s=10)
    consumer = Consumer({**settings.KAFKA, "group.id": uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.error() is None
    assert message.key() == b"user_001"
    copy = json.loads(message.value() or b"")
    assert (copy["topic"], copy["partition"], copy["offset"]) == ("biometrics-raw", 2, 41)
    assert (copy["reason"], copy["field"], copy["size"]) == ("out_of_range", "vitals.heart_rate", 2)
    assert base64.b64decode(copy["payload_base64"]) == b"\xff{"
