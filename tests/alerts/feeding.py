"""Readings through storage and detection, batch by batch, as the consumer does it, without Kafka."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
from django.db import transaction

from alerts.detection import Detected, Detection
from alerts.models import Alert, AlertChange
from alerts.rule_files import RuleFile, parse_rule
from alerts.services.rules import rules_load
from devices.models import User
from devices.partitions import Partitions
from ingestion.evaluate.evaluation import Evaluation
from ingestion.evaluate.late import Stretches, stretches_take
from ingestion.stream.batch import Position
from ingestion.write.store import store_while
from tests.ingestion.rows import frame, row
from tests.made import make_installation

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRESH = timedelta(minutes=15)
ZERO = Position("t", 0)
RACING = """
id: racing
alert_type: RACING
title: Racing heart
severity: HIGH
over: reading
when: heart_rate > 100
sustained: {count: 3, within: 60s}
max_gap: 60s
cooldown: 5m
measures: [heart_rate]
description: A test's rule.
falsepositives: [none]
references: [none]
"""


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def load(*sources: str, when: datetime = NOON - timedelta(days=1)) -> None:
    """These rules and no others, in force from `when` on."""
    files = []
    for source in sources:
        parsed = parse_rule(source)
        assert parsed.rule is not None, parsed.problems
        files.append(RuleFile(parsed.rule, source, "test.yaml"))
    rules_load(files=files, at=when, only=True)


@dataclass
class Feed:
    """A consumer's memory, and the clock that it is told."""

    is_prompt: bool = True  # late readings are judged right after their batch

    def __post_init__(self) -> None:
        self.restart()
        make_installation()

    def send(self, *beats: tuple[float, float], now: float | None = None, user: User | None = None) -> Detected:
        """Heart rates as (second after noon, rate) in one batch, in this order, received and written at `now`.

        `now` is also second after noon; the default is that of the last beat.
        """
        moment = at(now if now is not None else beats[-1][0])
        person = user.pk if user else person_one().pk
        rows = [self._row(person, second, rate, moment) for second, rate in beats]
        return self.write(frame(*rows), now=moment)

    def _row(self, person: int, second: float, rate: float, moment: datetime) -> dict[str, Any]:
        number = int(second * 1000) + 1_000_000
        return row(number, user_id=person, recorded_at=at(second), received_at=moment, heart_rate=float(rate))

    def write(self, readings: pl.DataFrame, *, now: datetime) -> Detected:
        """One batch in one transaction, then what follows the commit."""
        Partitions(span="month").ensure(readings["recorded_at"].to_list())
        with transaction.atomic(durable=True):
            judged, arrival = self.evaluation.judge_arrival(readings, at=now)
            late = Stretches("cluster", lambda: dict.fromkeys(readings["username"], ZERO))
            evaluate = partial(self.evaluation.evaluate, arrival=arrival, late=late, at=now)
            _, evaluated = store_while(judged, lambda new, later: evaluate(new, later=later))
        self.evaluation.keep(evaluated, at=now)
        if self.is_prompt:
            self.judge_late(now=now)
        return evaluated.detected

    def judge_late(self, *, now: datetime) -> None:
        """What the consumer does between batches."""
        while True:
            with transaction.atomic(durable=True):
                spans = stretches_take(cluster_id="cluster", positions=[ZERO], most=1)
                evaluated = self.evaluation.again(spans, at=now)
            self.evaluation.keep(evaluated, at=now)
            if not spans:
                return

    def flush(self, second: float) -> Detected:
        return self.detection.flush_due(at=at(second))

    def sweep(self, second: float) -> Detected:
        return self.detection.sweep(at=at(second))

    def pass_time(self, second: float) -> list[int]:
        """Our own clock, between batches: whose windows it completed."""
        silent = self.evaluation.silent(at=at(second))
        with transaction.atomic(durable=True):
            evaluated = self.evaluation.pass_time(silent, at=at(second))
        self.evaluation.keep(evaluated, at=at(second))
        return list(silent)

    def restart(self) -> None:
        """Another process takes over: it knows nothing."""
        self.detection = Detection(freshness=FRESH)
        self.evaluation = Evaluation(detection=self.detection, freshness=FRESH)


def person_one() -> User:
    return User.objects.get_or_create(username="person_1", defaults={"is_wearer": True})[0]


def the_alert(**which: Any) -> Alert:
    """The one alert that stands, or the one that `which` says."""
    alerts = Alert.objects.filter(**which) if which else Alert.objects.exclude(episode="withdrawn")
    return alerts.select_related("rule", "user").get()


def beats(start: float, count: int, rate: float = 120, step: float = 1) -> list[tuple[float, float]]:
    return [(start + number * step, rate) for number in range(count)]


def actions(alert: Alert) -> list[str]:
    return list(AlertChange.objects.filter(alert=alert).order_by("revision").values_list("action", flat=True))
