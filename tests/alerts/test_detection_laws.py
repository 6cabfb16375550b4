"""The laws of detection with PostgreSQL in the way: rows of equal time, of any order, in any batches, with crashes."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.engine import RuleSet, advance, new_person
from alerts.models import Alert, AlertChange, OutboxEntry, Rule, RuleVersion
from alerts.rule_versions import engine_rule
from devices.models import Reading, User
from tests.alerts.feeding import FRESH, RACING, Feed, at, load
from tests.ingestion.rows import frame, row
from tests.made import make_wearer

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = "{count: 1}"
RULES = (
    RACING.replace("{count: 3, within: 60s}", "{count: 3, within: 20s}"),
    RACING.replace("id: racing", "id: plain").replace("{count: 3, within: 60s}", AT_ONCE),
    RACING.replace("id: racing", "id: long").replace("{count: 3, within: 60s}", "{for: 30s}"),
    RACING.replace("id: racing", "id: cleared")
    .replace("{count: 3, within: 60s}", "{count: 2}")
    .replace("heart_rate > 100", "heart_rate > 100 AND activity_level < 10")
    + "clear: {when: heart_rate < 95, count: 2}\n",
)
RATES = (120.0, 120.0, 120.0, 110.0, 97.0, 80.0, None)


@dataclass(frozen=True)
class Step:
    """One batch, and what happens to the consumer after it."""

    size: int
    then: str


readings = st.lists(
    st.tuples(
        st.integers(0, 1),  # whose
        st.sampled_from((0, 0, 1, 1, 5, 15, 30, 60, 61, 400)),  # seconds after the one before
        st.sampled_from(RATES),
        st.sampled_from((2.0, 2.0, 50.0, None)),  # activity
        st.sampled_from((0, 0, 0, 3, 30, 200, 2000)),  # seconds that it comes late
    ),
    min_size=1,
    max_size=40,
)
steps = st.lists(st.builds(Step, st.integers(1, 12), st.sampled_from(("", "", "flush", "drop", "sweep"))), min_size=40)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(readings, steps, st.randoms(use_true_random=False))
def test_what_stands_is_what_the_engine_finds_in_all_rows_at_once(drawn: Any, plan: list[Step], chance: Any):
    everybody = begin()
    rows = made(drawn, everybody, chance)
    feed, clock = Feed(), 5000.0
    arrival = [each for _, _, each in sorted(rows, key=lambda one: one[:2])]
    for step in plan:
        batch, arrival = arrival[: step.size], arrival[step.size :]
        if not batch:
            break
        clock += 0.4
        feed.write(frame(*batch), now=at(clock))
        then(feed, step.then, clock)
    feed.detection.flush(at=at(clock + 10))
    assert standing() == found([each for _, _, each in rows], everybody)


def begin() -> list[User]:
    for model in (AlertChange, OutboxEntry, Alert, Reading, RuleVersion):
        model.objects.all().delete()
    Rule.objects.all().delete()
    load(*RULES)
    return [User.objects.filter(username=name).first() or make_wearer(name) for name in ("one", "two")]


def made(drawn: Any, everybody: list[User], chance: Any) -> list[tuple[float, int, dict[str, Any]]]:
    """Rows with when they come; their ids say nothing of their order."""
    second, rows = 0.0, []
    numbers = chance.sample(range(10_000), len(drawn))
    for number, (who, after, rate, activity, late) in zip(numbers, drawn, strict=True):
        second += after
        fields = {"user_id": everybody[who].pk, "recorded_at": at(second), "received_at": at(4000)}
        rows.append((second + late, number, row(number, heart_rate=rate, activity_level=activity, **fields)))
    return rows


def then(feed: Feed, what: str, clock: float) -> None:
    if what == "flush":
        feed.flush(clock + 0.1)
    elif what == "drop":
        feed.restart()
    elif what == "sweep":
        feed.sweep(clock + 100_000)


def standing() -> list[tuple[Any, ...]]:
    alerts = Alert.objects.standing().select_related("rule")
    return sorted(
        (a.user_id, a.rule.rule_id, a.started_at, a.opened_at, a.ended_at, str(None if a.provisional else a.settled_at),
         "open" if a.provisional else a.end or "open", a.event_count, measured(a.measures["heart_rate"]))
        for a in alerts
    )  # fmt: skip


def found(rows: list[dict[str, Any]], everybody: list[User]) -> list[tuple[Any, ...]]:
    rules = RuleSet(engine_rule(version) for version in RuleVersion.objects.select_related("rule"))
    states = {user.pk: new_person(rules) for user in everybody}
    stretches = advance(rules, states, frame(*rows), freshness=FRESH).stretches
    return sorted(
        (s.user_id, s.rule.id, e.started_at, e.opened_at, e.ended_at, str(e.settled_at), e.end, e.event_count,
         (e.measures["heart_rate"].avg, e.measures["heart_rate"].low, e.measures["heart_rate"].high))
        for s in stretches for e in s.episodes
    )  # fmt: skip


def measured(measure: dict[str, Any]) -> tuple[float, float, float]:
    return measure["avg"], measure["min"], measure["max"]
