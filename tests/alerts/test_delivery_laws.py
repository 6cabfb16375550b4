"""Who is told, and what people decide: laws of any readings, batches and crashes, looked at after each transaction."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.engine import Rule as EngineRule
from alerts.models import Alert, OutboxEntry, RuleVersion
from alerts.models.alert import CloseReason
from alerts.rule_versions import engine_rule
from alerts.services.triage import (
    alerts_acknowledge,
    alerts_close,
    alerts_comment,
    alerts_reopen,
    alerts_snooze,
)
from devices.metrics import Flag
from devices.models import Reading, User
from tests.alerts.engine.three_valued import truth
from tests.alerts.feeding import RACING, Feed, at, load, the_alert
from tests.alerts.test_detection_laws import RULES, begin, then
from tests.ingestion.rows import frame, row
from tests.made import make_user

pytestmark = pytest.mark.django_db(transaction=True)

FRESH = timedelta(minutes=15)
COOL = RULES[1].replace("id: plain", "id: cool").replace("cooldown: 5m", "cooldown: 40s")
DECIDED = ("triage", "triage_before_snooze", "triaged_by", "triaged_at", "snoozed_until", "close_reason")
DECISIONS = ("", "", "acknowledge", "snooze", "close", "reopen", "comment")
readings = st.lists(
    st.tuples(
        st.integers(0, 1),  # whose
        st.sampled_from((0, 1, 5, 15, 30, 60, 61, 200)),  # seconds after the one before
        st.sampled_from((120.0, 120.0, 120.0, 110.0, 97.0, 80.0)),
        st.sampled_from((2.0, 2.0, 50.0, None)),  # activity
        st.sampled_from((0, 0, 0, 0, 30, 200, 700, 2000)),  # seconds that it comes late
    ),
    min_size=10,
    max_size=50,
)
steps = st.lists(
    st.tuples(st.integers(1, 8), st.sampled_from(("", "", "", "flush", "drop", "sweep")), st.sampled_from(DECISIONS)),
    min_size=50,
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate))
@given(readings, steps, st.randoms(use_true_random=False))
def test_only_what_came_in_time_is_told_and_what_people_decided_is_theirs(drawn: Any, plan: list[Any], chance: Any):
    everybody = begin()
    load(*RULES, COOL)
    analyst = User.objects.filter(username="analyst").first() or make_user("analyst")
    arrival, feed, told = arriving(drawn, everybody, chance), Feed(is_prompt=chance.random() < 0.7), Told()
    for size, what, decision in plan:
        batch, arrival = arrival[:size], arrival[size:]
        if not batch:
            break
        now = max(each["received_at"] for each in batch)
        decided = decisions()
        feed.write(frame(*batch), now=now)
        then(feed, what, (now - at(0)).total_seconds())
        assert decisions().items() >= decided.items()
        assert_one_fires_at_a_time()
        told.look()
        decide(decision, by=analyst, now=now, chance=chance)
    feed.judge_late(now=at(100_000))
    told.look()
    assert_none_overlap()


def test_an_alert_that_late_readings_revive_is_quiet_whatever_it_was_before():
    begin()
    load(RACING)
    feed = Feed()
    feed.send((10, 120), (11, 120), (12, 120))
    assert not the_alert().quiet
    feed.send((720, 80))
    feed.send((10.5, 80), (11.5, 80), now=721)
    assert not Alert.objects.standing().exists()
    feed.send((11.9, 80), (11.6, 120), (11.7, 120), (11.8, 120), now=722)
    alert = the_alert()
    assert (alert.started_at, alert.quiet_reason, alert.loud_at) == (at(11.6), "late", at(12))


def test_an_alert_that_a_reading_in_time_revives_is_loud_again():
    begin()
    load(RACING)
    feed = Feed()
    feed.send((0, 120), (1, 120), (3, 120))
    feed.send((2, 80), now=4)
    feed.send((0.2, 120), now=5)
    assert [each.payload["episode"] for each in OutboxEntry.objects.order_by("pk")][:2] == ["firing", "withdrawn"]
    assert (the_alert().revision, the_alert().quiet) == (3, False)


def arriving(drawn: Any, everybody: list[User], chance: Any) -> list[dict[str, Any]]:
    """Rows in order of arrival, received as they come; their ids say nothing of their order."""
    second, rows = 0.0, []
    numbers = chance.sample(range(10_000), len(drawn))
    for number, (who, after, rate, activity, late) in zip(numbers, drawn, strict=True):
        second += after
        fields = {"user_id": everybody[who].pk, "recorded_at": at(second), "received_at": at(second + late)}
        rows.append(row(number, heart_rate=rate, activity_level=activity, **fields))
    return sorted(rows, key=lambda each: each["received_at"])


def decisions() -> dict[Any, tuple[Any, ...]]:
    return {alert_id: rest for alert_id, *rest in Alert.objects.values_list("alert_id", *DECIDED)}  # type: ignore[misc]


def decide(what: str, *, by: User, now: datetime, chance: Any) -> None:
    """Somebody decides about some of the alerts, as it may come."""
    alerts = [alert for alert in Alert.objects.order_by("started_at", "alert_id") if chance.random() < 0.5]
    if what == "acknowledge":
        alerts_acknowledge(alerts=alerts, by=by, at=now)
    elif what == "snooze":
        alerts_snooze(alerts=alerts, by=by, at=now, until=now + timedelta(minutes=5))
    elif what == "close":
        alerts_close(alerts=alerts, by=by, at=now, reason=CloseReason.TRUE)
    elif what == "reopen":
        alerts_reopen(alerts=alerts, by=by, at=now)
    elif what == "comment":
        alerts_comment(alerts=alerts, by=by, at=now, note="seen")


def assert_one_fires_at_a_time() -> None:
    firing = list(Alert.objects.filter(episode="firing").values_list("user", "rule"))
    assert len(firing) == len(set(firing))


def assert_none_overlap() -> None:
    ends: dict[Any, datetime] = {}
    for user, rule, started_at, ended_at in (
        Alert.objects.standing()
        .order_by("started_at", "ended_at")
        .values_list("user", "rule", "started_at", "ended_at")
    ):
        assert ends.get((user, rule), started_at) <= started_at
        ends[user, rule] = ended_at


class Told:
    """Reads the outbox as one who passes on what is loud: an alert that is new, was quiet, or had been withdrawn."""

    def __init__(self) -> None:
        self._read_to = 0
        self._passed_on: dict[Any, bool] = {}
        versions = RuleVersion.objects.select_related("rule")
        self._rules = {version.rule.rule_id: engine_rule(version) for version in versions}

    def look(self) -> None:
        """Each such alert has a TRUE reading, at or after the one that opened it, that came in time."""
        rows = list(Reading.objects.values())
        names = dict(User.objects.values_list("username", "pk"))
        for entry in OutboxEntry.objects.filter(pk__gt=self._read_to).order_by("pk"):
            self._read_to, said = entry.pk, entry.payload
            is_loud = not said["quiet"] and said["episode"] != "withdrawn"
            if is_loud and not self._passed_on.get(entry.alert_id):
                rule = self._rules[said["rule_id"]]
                assert isinstance(rule, EngineRule)
                opened, ended = (datetime.fromisoformat(said[name]) for name in ("opened_at", "end_time"))
                theirs = [each for each in rows if each["user_id"] == names[said["user_id"]]]
                inside = [each for each in theirs if opened <= each["recorded_at"] <= ended]
                assert any(is_fresh(each) and truth(rule.when.tree, each) for each in inside), said
            self._passed_on[entry.alert_id] = is_loud


def is_fresh(row: dict[str, Any]) -> bool:
    return not row["flags"] & Flag.LATE and row["received_at"] - row["recorded_at"] <= FRESH
