"""A storm of rejects is one alert while it lasts, slows the reading down, and ends nobody's membership."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from alerts.models import Alert
from alerts.rule_files import read_rule_files
from alerts.services.rules import rules_load
from devices.models import Reading
from ingestion.mishaps import mishaps_step
from ingestion.models import Mishap, Placement, QuarantinedMessage
from ingestion.stream.rejects import TELL_EVERY, Rejects
from tests.ingestion.running import consumer, events, make_group, make_topic, send, send_to, until
from tests.made import make_installation

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAD = "malformed_json"


def test_it_takes_a_hundred_messages_and_more_than_half_of_them() -> None:
    rejects = Rejects()
    assert rejects.count(99, [BAD] * 99) == ""
    assert rejects.count(1, [BAD]) == "100 of 100 messages were refused, 100 of them as malformed_json."
    assert rejects.count(100, [BAD] * 50) == ""
    assert rejects.count(100, [BAD] * 30 + ["too_old"] * 21) == (
        "51 of 100 messages were refused, 30 of them as malformed_json."
    )


def test_small_batches_are_judged_together() -> None:
    rejects = Rejects()
    assert [bool(rejects.count(10, [BAD] * 6)) for _ in range(20)] == [False] * 9 + [True] + [False] * 9 + [True]


def test_it_is_told_again_now_and_then() -> None:
    rejects = Rejects(told_at=NOON)
    assert [rejects.is_due(NOON + TELL_EVERY * times) for times in (0, 0.9, 1)] == [False, False, True]


@pytest.mark.kafka
@pytest.mark.django_db(transaction=True)
def test_a_consumer_lives_through_a_storm_and_tells_of_who_has_moved(tmp_path: Path) -> None:
    """One consumer for both, since to start one takes its time."""
    make_installation()
    files = read_rule_files(["alerts/rules/reject-storm.yaml", "alerts/rules/split-person.yaml"])[0]
    rules_load(files=files, at=timezone.now() - timedelta(days=1))
    topic, small = make_topic(), {"TELARA_BATCH_MESSAGES": "200"}
    with consumer(tmp_path, "--topics", topic, "--group", make_group(), **small) as running:
        send(topic, events(10, people=2))
        until(lambda: Placement.objects.filter(topic=topic).count() == 2, within_s=60)
        send(topic, [b"{" for _ in range(1000)])
        until(lambda: QuarantinedMessage.objects.count() == 1000, within_s=30)
        seen = len(running.lines("consumer.reject_storm"))
        home = Placement.objects.get(topic=topic, user_id="person_0").partition
        (stray,) = events(1, people=1)
        send_to(topic, (home + 1) % 4, [stray])
        until(lambda: Mishap.objects.filter(event="split_person").exists(), within_s=30)
        assert Reading.objects.count() == 11
        assert not running.lines("consumer.revoked")
        assert running.stop() == 0
    assert seen >= 4
    now = timezone.now()
    mishaps_step(at=now)
    found = dict(Alert.objects.values_list("alert_type", "event_count"))
    assert found == {"REJECT_STORM": 1, "SPLIT_PERSON": 1}
    moved = Alert.objects.get(alert_type="SPLIT_PERSON").description
    assert moved == f"person_0 came by partition {(home + 1) % 4} of {topic}, before by {home}."
    mishaps_step(at=now + timedelta(minutes=2))
    assert dict(Alert.objects.values_list("alert_type", "episode")) == {
        "REJECT_STORM": "ended", "SPLIT_PERSON": "firing"
    }  # fmt: skip
