"""The part of Telara that calls the engine, in memory: it stores rows, keeps states, and writes alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from alerts.engine import (
    Advance,
    Episode,
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
from alerts.engine.crowd import Crowd, Times
from tests.alerts.engine.seen import frame, seen_by
from tests.alerts.engine.twin import Reading
from tests.alerts.engine.twin_rows import Usual

__all__ = ["START", "Alert", "Shell", "event_id", "frame", "reading"]

START = datetime(2026, 1, 5, 10, tzinfo=UTC)


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def reading(second: float, number: int = 0, *, delay: float = 0, late: bool = False, **values: Any) -> Reading:
    """A reading `second` seconds after START, received `delay` seconds later."""
    numbers = {name: float(v) if isinstance(v, int) else v for name, v in values.items()}
    at = START + timedelta(seconds=second)
    return Reading(at, event_id(number), numbers, timedelta(seconds=delay), late)


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
    usual: Sequence[Usual] = ()
    alerts: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rules = RuleSet([self.rule])
        self.crowd = Crowd(self.rules)
        self.seen = seen_by(self.rules, self.usual)

    def receive(self, batch: Iterable[Reading], *, commits: bool = True) -> None:
        seen, alerts = dict(vars(self.seen)), [replace(alert) for alert in self.alerts]
        new = list(batch)
        rows = self.seen.take(new)
        step = self.rebuild(min(row.at for row in new)) if rows is None else self.go_on(rows)
        for stretch in step.stretches:
            self.write(stretch)
        if commits:
            self.crowd.keep(step)
            self.seen.keep()
        else:
            vars(self.seen).update(seen)
            self.alerts = alerts

    def go_on(self, rows: pl.DataFrame) -> Advance:
        as_of = self.seen.as_of
        times = Times(np.array(list(as_of), np.int64), np.array(list(as_of.values()), np.int64))
        step = self.crowd.advance(rows, as_of=times)
        return self.rebuild(step.unreached[1]) if step.unreached else step

    def rebuild(self, reached: datetime) -> Advance:
        """All that is stored from the last point, at most a few rows back, before which nothing was pending."""
        stored = self.seen.stored()
        times = stored["recorded_at"].unique().sort().to_list()
        back = [at for at in reversed(times) if at <= reached][:5]
        first = times[0] if times else reached
        since = next((at for at in back if not self.is_pending_before(at, stored)), first)
        rows = stored.filter(pl.col("recorded_at") >= since)
        return advance(self.rules, {1: resume(self.rules, {self.rule.key: since})}, rows, as_of=self.seen.as_of)

    def is_pending_before(self, at: datetime, stored: pl.DataFrame) -> bool:
        before = stored.filter(pl.col("recorded_at") < at)
        states = advance(self.rules, {1: new_person(self.rules)}, before).states
        return bool(states) and states[1].is_pending

    def crash(self) -> None:
        self.crowd.drop()
        self.seen.forget()

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
