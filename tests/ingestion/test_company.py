"""The background worker notes that it works, and for how long no consumer has: then an alert says so."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.models import Alert
from devices.background import tick_write, ticked_at
from devices.models import PipelineStatus
from ingestion.company import company_look
from ingestion.mishaps import mishaps_step
from ingestion.models import Mishap, PartitionLedger
from tests.ingestion.test_mishaps import load

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def _read_before() -> None:
    PartitionLedger.objects.create(cluster_id="c", topic="biometrics-raw", partition=0, next_offset=7)


def works(*, until: float) -> None:
    """A consumer that last spoke then."""
    PipelineStatus.objects.update_or_create(
        consumer="c1", defaults={"updated_at": at(until), "started_at": at(until - 60)}
    )


def ticks(*, first: int, last: int) -> list[str]:
    """Every five seconds; what was noted."""
    for seconds in range(first, last + 1, 5):
        company_look(at=at(seconds))
    return list(Mishap.objects.order_by("at").values_list("text", flat=True))


def test_a_minute_without_a_consumer_is_noted_and_each_minute_after_it() -> None:
    works(until=0)
    assert ticks(first=0, last=65) == []  # the first tick without it came at 10 s
    assert [text.split(":")[0] for text in ticks(first=70, last=190)] == [
        "No stream worker has run for a minute",
        "No stream worker has run for 2 minutes",
        "No stream worker has run for 3 minutes",
    ]


def test_a_consumer_that_comes_back_ends_it() -> None:
    works(until=0)
    ticks(first=0, last=60)
    works(until=62)
    assert ticks(first=65, last=125) == []
    assert tick_write(at=at(130)).now == timedelta(seconds=55)  # alone again since 75 s


def test_a_night_in_which_nothing_ran_is_not_the_consumers() -> None:
    works(until=0)
    ticks(first=0, last=30)
    assert ticks(first=8 * 3600, last=8 * 3600 + 55) == []
    assert len(ticks(first=8 * 3600 + 60, last=8 * 3600 + 60)) == 1


def test_where_nobody_has_ever_read_nothing_is_said() -> None:
    PartitionLedger.objects.update(next_offset=None)
    assert ticks(first=0, last=300) == []
    assert ticked_at() == at(300)


def test_two_clocks_that_fire_twice_note_it_once() -> None:
    for seconds in (0, 0, 5, 5, 30, 30, 55, 55, 60, 60, 60, 59, 65):
        company_look(at=at(seconds))
    assert Mishap.objects.count() == 1
    assert ticked_at() == at(65)


def test_a_clock_that_is_set_back_hides_nobody_who_is_gone() -> None:
    works(until=3600)
    ticks(first=3600, last=3600)
    ticks(first=0, last=55)
    assert ticked_at() == at(55)
    assert len(ticks(first=60, last=60)) == 1


def test_the_rule_that_is_shipped_opens_an_alert_that_ends_when_somebody_reads_again() -> None:
    load("no-consumer")
    for seconds in range(0, 125, 5):
        company_look(at=at(seconds))
        mishaps_step(at=at(seconds))
    alert = Alert.objects.get()
    assert (alert.alert_class, alert.severity, alert.whose) == ("technical", "HIGH", "Pipeline")
    assert (alert.episode, alert.started_at) == ("firing", at(60))
    assert alert.description.startswith("No stream worker has run for 2 minutes: what comes in waits in Kafka")
    for seconds in range(125, 250, 5):
        works(until=seconds)
        company_look(at=at(seconds))
        mishaps_step(at=at(seconds))
    alert.refresh_from_db()
    assert (alert.episode, alert.ended_at) == ("ended", at(120))
