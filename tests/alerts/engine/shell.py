"""The part of Telara that calls the engine, in memory: it stores rows, keeps states, and writes alerts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from alerts.engine import (
    Episode,
    PersonState,
    Rule,
    RuleSet,
    Stretch,
    Update,
    Withdraw,
    advance,
    new_person,
    reconcile,
    resume,
)
from devices.metrics import METRICS, Flag
from tests.alerts.engine.twin import Reading

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
COLUMNS = {name: pl.String if metric.is_text else pl.Float64 for name, metric in METRICS.items()}
SCHEMA = {
    "user_id": pl.Int64,
    "recorded_at": pl.Datetime("us", "UTC"),
    "event_id": pl.String,
    "received_at": pl.Datetime("us", "UTC"),
    "flags": pl.Int64,
    **COLUMNS,
}


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def reading(second: float, number: int = 0, *, delay: float = 0, late: bool = False, **values: Any) -> Reading:
    """A reading `second` seconds after START, received `delay` seconds later."""
    numbers = {name: float(v) if isinstance(v, int) else v for name, v in values.items()}
    at = START + timedelta(seconds=second)
    return Reading(at, event_id(number), numbers, timedelta(seconds=delay), late)


def frame(readings: Iterable[Reading], user_id: int = 1) -> pl.DataFrame:
    rows = [
        {
            "user_id": user_id,
            "recorded_at": row.at,
            "event_id": row.id,
            "received_at": row.at + row.delay,
            "flags": int(Flag.LATE) if row.late else 0,
            **row.values,
        }
        for row in readings
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


@dataclass
class Alert:
    id: int
    episode: Episode
    state: str
    because: str = ""

    started_at = property(lambda self: self.episode.started_at)
    ended_at = property(lambda self: self.episode.ended_at)
    settled_at = property(lambda self: self.episode.settled_at)


@dataclass
class Shell:
    """One person under one rule."""

    rule: Rule
    state: PersonState | None = None
    stored: list[Reading] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rules = RuleSet([self.rule])

    def receive(self, batch: Iterable[Reading]) -> None:
        new = list(batch)
        self.stored += new
        step = advance(self.rules, {} if self.state is None else {1: self.state}, frame(new))
        if step.unreached:
            step = self.rebuild(step.unreached[1])
        for stretch in step.stretches:
            self.write(stretch)
        self.state = step.states.get(1, self.state)

    def rebuild(self, reached: datetime) -> Any:
        """All that is stored from the last point, at most a few rows back, before which nothing was pending."""
        times = sorted({row.at for row in self.stored})
        back = [at for at in reversed(times) if at <= reached][:5]
        since = next((at for at in back if not self.is_pending_before(at)), times[0])
        rows = frame(row for row in self.stored if row.at >= since)
        return advance(self.rules, {1: resume(self.rules, {self.rule.key: since})}, rows)

    def is_pending_before(self, at: datetime) -> bool:
        before = frame(row for row in self.stored if row.at < at)
        states = advance(self.rules, {1: new_person(self.rules)}, before).states
        return bool(states) and states[1].is_pending

    def crash(self) -> None:
        self.state = None

    def write(self, stretch: Stretch) -> None:
        changes = reconcile(stretch, self.alerts)
        for change in changes.changes:
            if isinstance(change, Withdraw):
                change.alert.state, change.alert.because = "withdrawn", change.because
            elif isinstance(change, Update):
                change.alert.episode = change.episode
                change.alert.state = "firing" if change.episode.end == "open" else "ended"
        for creation in changes.creations:
            state = "firing" if creation.episode.end == "open" else "ended"
            self.alerts.append(Alert(len(self.alerts) + 1, creation.episode, state))

    @property
    def standing(self) -> list[Episode]:
        """The episodes of the alerts that stand, in order."""
        found = [alert.episode for alert in self.alerts if alert.state != "withdrawn"]
        return sorted(found, key=lambda episode: episode.started_at)
