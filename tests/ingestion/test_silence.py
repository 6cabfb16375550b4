"""Of whom nothing is heard: our own clock completes their windows, and forgets them."""

import pytest

from alerts.models import Alert
from devices.models import MetricWindow, Reading
from tests.alerts.feeding import RACING, Feed, at, load, person_one, the_alert

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = (
    RACING.replace("over: reading", "over: window(1m)")
    .replace("heart_rate > 100", "avg_heart_rate > 100")
    .replace("{count: 3, within: 60s}", "{count: 1}")
    .replace("max_gap: 60s", "max_gap: 20m")
    .replace("measures: [heart_rate]", "measures: [avg_heart_rate]")
)


@pytest.fixture
def feed() -> Feed:
    load(MINUTE)
    return Feed()


def minutes() -> list[tuple[float, int, float | None, bool]]:
    """When each ends (seconds after noon), readings, average, whether it is fresh."""
    rows = MetricWindow.objects.order_by("ended_at").values_list("ended_at", "count", "avg_heart_rate", "is_fresh")
    return [((ended_at - at(0)).total_seconds(), *rest) for ended_at, *rest in rows]


def test_the_window_of_who_fell_silent_is_completed_after_ten_minutes_and_pages_nobody(feed: Feed):
    feed.send((10, 120), (20, 130))
    assert feed.pass_time(10 * 60) == []
    assert minutes() == []
    assert feed.pass_time(10 * 60 + 20) == [person_one().pk]
    assert minutes() == [(60, 2, 125, False)]
    alert = the_alert()
    assert (alert.opened_at, alert.quiet, alert.quiet_reason, alert.loud_at) == (at(60), True, "late", None)


def test_it_happens_once(feed: Feed):
    feed.send((10, 120))
    assert feed.pass_time(1000) == [person_one().pk]
    assert feed.pass_time(1005) == []
    assert feed.pass_time(1100) == []
    assert the_alert().revision == 1


def test_who_speaks_is_not_silent(feed: Feed):
    feed.send((10, 120), now=10)
    feed.send((20, 120), now=605)
    assert feed.pass_time(1000) == []


def test_the_window_is_made_anew_when_the_person_speaks_again(feed: Feed):
    feed.send((10, 120))
    feed.pass_time(1000)
    feed.send((30, 60), (70, 70), now=1010)
    assert minutes() == [(60, 2, 90, False)]
    assert set(Alert.objects.values_list("episode", "withdrawn_because")) == {("withdrawn", "evidence_gone")}


def test_a_reading_that_ends_no_window_is_in_it_at_the_next_silence(feed: Feed):
    feed.send((10, 120))
    feed.pass_time(1000)
    feed.send((30, 60), now=1010)
    assert feed.pass_time(1010 + 600) == [person_one().pk]
    assert minutes() == [(60, 2, 90, False)]
    assert not Alert.objects.standing().exists()


def test_an_episode_goes_on_over_a_silence_that_is_no_gap(feed: Feed):
    feed.send((10, 120))
    feed.pass_time(1000)
    feed.send((1000, 140), (1030, 120), (1065, 60), now=1066)
    alert = the_alert()
    assert (alert.started_at, alert.ended_at, alert.event_count) == (at(60), at(1020), 2)
    assert (alert.end, alert.quiet) == (None, False)


def test_nobody_is_forgotten_while_a_long_window_of_theirs_is_open():
    load(MINUTE.replace("window(1m)", "window(2h)").replace("max_gap: 20m", "max_gap: 3h"))
    feed = Feed()
    feed.send((10, 120))
    feed.pass_time(6000)
    feed.evaluation.forget_idle(at=at(7190))
    assert feed.pass_time(7260) == [person_one().pk]
    assert the_alert().opened_at == at(7200)
    feed.evaluation.forget_idle(at=at(2 * 3600 + 610))
    assert feed.evaluation.silent(at=at(9000)) == {}


def test_whoever_is_forgotten_is_read_back_when_they_speak(feed: Feed):
    feed.send((0, 120), (70, 120), (130, 120), (140, 130))
    feed.evaluation.forget_idle(at=at(140 + 3599))
    assert feed.evaluation.silent(at=at(5000)) != {}
    feed.evaluation.forget_idle(at=at(140 + 3600))
    assert feed.evaluation.silent(at=at(5000)) == {}
    feed.send((150, 140), (200, 60), now=4000)
    assert minutes() == [(60, 1, 120, True), (120, 1, 120, True), (180, 3, 130, False)]
    assert (the_alert().event_count, the_alert().ended_at) == (3, at(180))
    assert not Reading.objects.filter(flags__gt=0).exists()
