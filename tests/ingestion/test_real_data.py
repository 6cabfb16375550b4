"""What people's devices recorded, through broker, consumers and database: stored once, and the expected episodes.

The whole collection is read where it lies beside the project (`shared/data`), else the excerpt of `tests/data`.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from alerts.models import Alert
from devices.models import Reading
from devices.times import rfc3339
from ingestion.models import PartitionLedger, QuarantinedMessage
from tests import real_files
from tests.ingestion.running import consumer, make_group, make_topic, until
from tests.made import make_installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
EXCERPT, WHOLE = real_files.EXCERPTS, real_files.WHOLE
FITBIT = sorted((WHOLE / "fitbit").glob("*.csv.gz")) if WHOLE else [EXCERPT / "fitbit-days.csv.gz"]
RULES = WHOLE / "fitbit" / "rules" if WHOLE else EXCERPT / "fitbit-rules"
EXPECTED = sorted((WHOLE / "fitbit").glob("expected-*.csv")) if WHOLE else [EXCERPT / "fitbit-days-expected.csv"]
# rows that repeat another one to the letter
OTHERS = [(real_files.BEDSIDE[0], 0), (real_files.LATE[0], 18 if WHOLE else 6)]


@pytest.fixture(autouse=True)
def installed() -> None:
    """What the flush after another test took away."""
    make_installation()


@pytest.fixture
def topic(settings: Any) -> str:
    """A topic of this test alone, to which the replay sends."""
    settings.TELARA_TOPIC_RAW = make_topic()
    return settings.TELARA_TOPIC_RAW


def replay(files: Iterable[Path]) -> int:
    """How many readings were sent."""
    out = StringIO()
    call_command("replay_readings", *map(str, files), stdout=out, stderr=StringIO())
    return int(out.getvalue().split()[0])


def load(*arguments: str) -> None:
    call_command("load_rules", *arguments, stdout=StringIO())


def outcomes(topic: str) -> tuple[int, int]:
    """How many messages of the topic are dealt with, and how many were refused."""
    offsets = PartitionLedger.objects.filter(topic=topic).values_list("next_offset", flat=True)
    return sum(offset or 0 for offset in offsets), QuarantinedMessage.objects.filter(topic=topic).count()


def episodes() -> Counter[tuple[str, ...]]:
    alerts = Alert.objects.standing().select_related("rule", "user")
    return Counter(
        (
            alert.rule.rule_id.replace("-", "_"),
            alert.user.username,
            *(rfc3339(at).replace(".000", "") for at in (alert.started_at, alert.opened_at, alert.ended_at)),
            str(alert.event_count),
            f"{alert.measures['heart_rate']['avg']:.4f}",
            str(alert.end) if alert.end else "open",
        )
        for alert in alerts
    )


def expected() -> Counter[tuple[str, ...]]:
    return Counter(tuple(row.values()) for path in EXPECTED for row in csv.DictReader(path.open()))


def test_three_consumers_one_killed_find_every_episode_and_a_second_replay_adds_nothing(tmp_path: Path, topic: str):
    load(str(RULES), "--only")
    arguments = ("--topics", topic, "--group", make_group())
    with consumer(tmp_path, *arguments) as one, consumer(tmp_path, *arguments) as two:
        with consumer(tmp_path, *arguments) as killed:
            until(lambda: all(each.lines("consumer.assigned") for each in (one, two, killed)), within_s=60)
            sent = replay(FITBIT)
            until(Reading.objects.exists, within_s=60)
            killed.process.kill()
        until(lambda: outcomes(topic)[0] == sent, within_s=200)
        assert [one.stop(), two.stop()] == [0, 0]
    assert outcomes(topic) == (sent, 0)
    assert Reading.objects.count() == sent
    assert episodes() == expected()
    with consumer(tmp_path, *arguments) as last:
        again = replay(FITBIT[:1])
        until(lambda: outcomes(topic)[0] == sent + again, within_s=120)
        assert last.stop() == 0
    assert outcomes(topic) == (sent + again, 0)
    assert Reading.objects.count() == sent
    assert episodes() == expected()


@pytest.mark.parametrize(("path", "repeated"), OTHERS)
def test_what_was_sent_is_what_was_stored_and_what_was_there_already(
    tmp_path: Path, topic: str, path: Path, repeated: int
):
    load()
    with consumer(tmp_path, "--topics", topic, "--group", make_group(), "--until-caught-up") as running:
        sent = replay([path])
        assert running.wait(120) == 0
    assert outcomes(topic) == (sent, 0)
    assert Reading.objects.count() == sent - repeated
    last = running.lines("pipeline.counters")[-1]
    assert (last["polled"], last["stored"], last["duplicates"], last["lag"]) == (sent, sent - repeated, repeated, 0)
