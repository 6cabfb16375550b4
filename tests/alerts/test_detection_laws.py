"""The laws of detection with PostgreSQL in the way: rows of equal time, of any order, in any batches, with crashes."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.backtest import Replay
from alerts.engine import Rule as EngineRule
from alerts.engine import Window
from alerts.models import Alert, AlertChange, DetectionState, OutboxEntry, Rule, RuleVersion
from alerts.rule_versions import engine_rule
from devices.baselines import baselines_holding
from devices.metrics import Flag
from devices.models import Baseline, MetricWindow, Reading, User
from ingestion.models import LateStretch
from tests.alerts.engine.twin import Reading as Read
from tests.alerts.engine.twin import episodes
from tests.alerts.engine.twin_rows import derived, windows
from tests.alerts.feeding import RACING, Feed, at, load
from tests.ingestion.rows import frame, row
from tests.made import make_wearer

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = "{count: 1}"
RULES = (
    RACING.replace("{count: 3, within: 60s}", "{count: 3, within: 20s}"),
    RACING.replace("id: racing", "id: plain").replace("{count: 3, within: 60s}", AT_ONCE),
    RACING.replace("id: racing", "id: lasting").replace("{count: 3, within: 60s}", "{for: 30s}"),
    RACING.replace("id: racing", "id: cleared")
    .replace("{count: 3, within: 60s}", "{count: 2}")
    .replace("heart_rate > 100", "heart_rate > 100 AND activity_level < 10")
    + "clear: {when: heart_rate < 95, count: 2}\n",
)
WINDOWED = tuple(
    RACING.replace("id: racing", f"id: {name}")
    .replace("over: reading", f"over: {over}")
    .replace("heart_rate > 100", when)
    .replace("{count: 3, within: 60s}", sustained)
    .replace("max_gap: 60s", f"max_gap: {gap}")
    .replace("measures: [heart_rate]", "measures: [avg_heart_rate]")
    for name, over, when, sustained, gap in (
        ("minute", "window(1m)", "avg_heart_rate > 100", "{count: 1}", "2m"),
        ("sliding", "window(2m, every 1m)", "max_heart_rate - min_heart_rate > 20", "{count: 2}", "3m"),
        ("fine", "window(30s, every 10s)", "count >= 2 AND avg_heart_rate > 96", "{for: 30s}", "40s"),
        ("long", "window(20m)", "stddev_heart_rate > 10", "{count: 1}", "30m"),
    )
)
DERIVED = tuple(
    RACING.replace("id: racing", f"id: {name}")
    .replace("heart_rate > 100", when)
    .replace("{count: 3, within: 60s}", sustained)
    for name, when, sustained in (
        ("far", "heart_rate_z > 4 AND heart_rate > 90", "{for: 20s}"),
        ("rising", "heart_rate_rate > 30", "{count: 1}"),
        ("off", "not_worn = 1", "{count: 2}"),
    )
)
USUAL = ("valid_from", "zone", "local_hour", "median", "mad")
RATES = (120.0, 120.0, 120.0, 110.0, 97.0, 80.0, None)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read back comes in many pieces."""
    monkeypatch.setattr("alerts.stored_rows.PIECE", 5)


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
THEN = ("", "", "flush", "drop", "sweep", "save", "lose", "forget", "silence")
steps = st.lists(st.builds(Step, st.integers(1, 12), st.sampled_from(THEN)), min_size=40)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate))
@given(readings, steps, st.randoms(use_true_random=False))
def test_what_stands_is_what_the_engine_finds_in_all_rows_at_once(drawn: Any, plan: list[Step], chance: Any):
    everybody = begin()
    rows = made(drawn, everybody, chance)
    made_usual(everybody[0])
    feed, clock = Feed(is_prompt=chance.random() < 0.5), 5000.0
    arrival = [each for _, _, each in sorted(rows, key=lambda one: one[:2])]
    was_silent = False
    for step in plan:
        batch, arrival = arrival[: step.size], arrival[step.size :]
        if not batch:
            break
        clock += 0.4
        feed.write(frame(*batch), now=at(clock))
        then(feed, step.then, clock)
        was_silent = was_silent or step.then == "silence"
    if was_silent:  # what our clock completed is as it should be once they spoke
        last = [(20_000, 0, each) for each in spoke_at_last(everybody)]
        rows += last
        feed.write(frame(*(each for _, _, each in last)), now=at(clock + 2))
    feed.judge_late(now=at(clock + 5))
    feed.detection.flush(at=at(clock + 10))
    assert standing() == found([each for _, _, each in rows], everybody)
    assert standing() == by_definition([each for _, _, each in rows], everybody)


def begin() -> list[User]:
    for model in (DetectionState, AlertChange, OutboxEntry, Alert, Reading, RuleVersion):
        model.objects.all().delete()
    Rule.objects.all().delete()
    MetricWindow.objects.all().delete()
    LateStretch.objects.all().delete()
    Baseline.objects.all().delete()
    load(*RULES, *WINDOWED, *DERIVED)
    return [User.objects.filter(username=name).first() or make_wearer(name) for name in ("one", "two")]


def made(drawn: Any, everybody: list[User], chance: Any) -> list[tuple[float, int, dict[str, Any]]]:
    """Rows with when they come; their ids say nothing of their order."""
    second, rows = 0.0, []
    numbers = chance.sample(range(10_000), len(drawn))
    for number, (who, after, rate, activity, late) in zip(numbers, drawn, strict=True):
        second += after
        fields = {"user_id": everybody[who].pk, "recorded_at": at(second), "received_at": at(4000)}
        fields["flags"] = int(Flag.HEART_RATE_NOT_MEASURED) if rate is None and activity is None else 0
        rows.append((second + late, number, row(number, heart_rate=rate, activity_level=activity, **fields)))
    return rows


def spoke_at_last(everybody: list[User]) -> list[dict[str, Any]]:
    fields = {"recorded_at": at(20_000), "received_at": at(20_000), "activity_level": 2.0}
    return [
        row(20_000 + number, user_id=user.pk, **fields) | {"heart_rate": None} for number, user in enumerate(everybody)
    ]


def made_usual(person: User) -> None:
    """Two sets, the second valid from within the readings on."""
    for begins, median in ((at(0) - timedelta(days=1), 80.0), (at(300), 105.0)):
        Baseline.objects.bulk_create(
            Baseline(
                user=person, metric="heart_rate", local_hour=hour, median=median, mad=5, valid_from=begins, zone="UTC",
                values=500, days=9,
            )
            for hour in range(24)
        )  # fmt: skip


def then(feed: Feed, what: str, clock: float) -> None:
    if what == "flush":
        feed.flush(clock + 0.1)
    elif what == "drop":
        feed.restart()
    elif what == "save":
        with transaction.atomic():
            saved = feed.evaluation.save_snapshots(at=at(clock))
        feed.evaluation.snapshots_saved(saved)
    elif what == "lose":
        DetectionState.objects.all().delete()
    elif what == "forget":
        feed.evaluation.forget_idle(at=at(clock + 100_000))
    elif what == "silence":
        feed.pass_time(clock + 700)
    elif what == "sweep":
        feed.sweep(clock + 100_000)


def standing() -> list[tuple[Any, ...]]:
    alerts = Alert.objects.standing().select_related("rule", "user")
    return sorted(
        (a.rule.rule_id, a.user.username, a.started_at, a.opened_at, a.ended_at,
         str(None if a.provisional else a.settled_at), "open" if a.provisional else a.end or "open", a.event_count,
         *(measured(name, measure) for name, measure in a.measures.items()))
        for a in alerts
    )  # fmt: skip


def measured(name: str, measure: dict[str, Any]) -> tuple[str, float, float, float]:
    return name, measure["avg"], measure["min"], measure["max"]


def found(rows: list[dict[str, Any]], everybody: list[User]) -> list[tuple[Any, ...]]:
    """What the engine says of all rows in one piece, with nothing remembered and nothing read back."""
    rules = [engine_rule(version) for version in RuleVersion.objects.select_related("rule")]
    people = [user.pk for user in everybody]
    sets = baselines_holding(user_ids=people, since=at(0), until=at(100_000))
    replay = Replay([replace(rule, active_from=None, active_until=None) for rule in rules], baselines=sets)
    replay.feed(frame(*rows))
    return sorted(
        (f.rule.id, f.user_id, e.started_at, e.opened_at, e.ended_at, str(e.settled_at), e.end, e.event_count,
         *((name, each.avg, each.low, each.high) for name, each in e.measures.items()))
        for f in replay.findings({user.pk: user.username for user in everybody}) for e in [f.episode]
    )  # fmt: skip


def by_definition(rows: list[dict[str, Any]], everybody: list[User]) -> list[tuple[Any, ...]]:
    """What the twin says of them, which shares nothing with the engine."""
    rules = [engine_rule(version) for version in RuleVersion.objects.select_related("rule")]
    told = []
    for user in everybody:
        readings = [as_reading(each) for each in rows if each["user_id"] == user.pk]
        usual = list(Baseline.objects.filter(user=user).values_list(*USUAL))
        for rule in rules if readings else []:
            assert isinstance(rule, EngineRule)
            if isinstance(rule.over, Window):
                seen = windows(readings, rule.over, ("heart_rate",))
            else:
                seen = derived(readings, "heart_rate", usual)
            for each in episodes(rule, seen):
                measures = ((name, each.measure(name)) for name in rule.measures)
                numbers = tuple((name, *numbers[1:]) for name, numbers in measures if numbers)
                told.append(
                    (rule.id, user.username, *each.times, str(each.settled_at), each.end, len(each.rows), *numbers)
                )
    return sorted(told)


def as_reading(row: dict[str, Any]) -> Read:
    off = row["flags"] & Flag.HEART_RATE_NOT_MEASURED
    worn = None if row["heart_rate"] is None else 0.0
    values = {name: row[name] for name in ("heart_rate", "activity_level")} | {"not_worn": 1.0 if off else worn}
    return Read(row["recorded_at"], row["event_id"], values)
