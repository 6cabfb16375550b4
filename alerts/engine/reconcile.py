"""What a stretch's episodes mean for the alerts that are already there, and whether anybody is told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Literal, Protocol, TypeVar

from alerts.engine.episode import Episode, Stretch

State = Literal["firing", "ended", "withdrawn"]
Withdrawal = Literal["merged", "evidence_gone"]
QuietReason = Literal["late", "cooldown", "muted"]


class KnownAlert(Protocol):
    """An alert of the stretch's person and rule version. `settled_at` is None while it may go on: firing, or ended
    provisionally by the sweep. A withdrawn one has the `settled_at` it had."""

    @property
    def id(self) -> object: ...
    @property
    def state(self) -> State: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime: ...
    @property
    def settled_at(self) -> datetime | None: ...


A = TypeVar("A", bound=KnownAlert)


@dataclass(frozen=True, slots=True)
class Update(Generic[A]):
    """The alert becomes this episode; `revived` where it had been withdrawn."""

    alert: A
    episode: Episode
    revived: bool


@dataclass(frozen=True, slots=True)
class Withdraw(Generic[A]):
    alert: A
    because: Withdrawal


@dataclass(frozen=True, slots=True)
class Create:
    episode: Episode


@dataclass(frozen=True, slots=True)
class Changes(Generic[A]):
    """To be written in this order: `changes` (by alert id), then `creations` (by start)."""

    changes: tuple[Update[A] | Withdraw[A], ...]
    creations: tuple[Create, ...]


def reconcile(stretch: Stretch, known: Iterable[A]) -> Changes[A]:
    """Which alert becomes which episode, which alerts go, and which episodes need one.

    In order of start an episode takes the earliest alert that overlaps it, one that stands before one that is
    withdrawn; other standing alerts are withdrawn: as merged where they overlap an episode, else as evidence_gone.
    Alerts that settled at or before the stretch began are left alone.
    """
    alerts = sorted((alert for alert in known if _concerned(alert, stretch)), key=_place)
    taken: dict[int, Update[A]] = {}
    creations: list[Create] = []
    for episode in sorted(stretch.episodes, key=lambda each: each.started_at):
        free = [place for place in _overlapping(episode, alerts) if place not in taken]
        if not free:
            creations.append(Create(episode))
            continue
        place = min(free, key=lambda each: (alerts[each].state == "withdrawn", each))
        taken[place] = Update(alerts[place], episode, alerts[place].state == "withdrawn")
    changes: list[Update[A] | Withdraw[A]] = list(taken.values())
    for place, alert in enumerate(alerts):
        if place not in taken and alert.state != "withdrawn":
            merged = any(_overlap(alert, episode) for episode in stretch.episodes)
            changes.append(Withdraw(alert, "merged" if merged else "evidence_gone"))
    return Changes(tuple(sorted(changes, key=lambda change: str(change.alert.id))), tuple(creations))


def _concerned(alert: KnownAlert, stretch: Stretch) -> bool:
    return alert.settled_at is None or alert.settled_at > stretch.since


def _place(alert: KnownAlert) -> tuple[datetime, str]:
    return alert.started_at, str(alert.id)


def _overlapping(episode: Episode, alerts: Sequence[KnownAlert]) -> list[int]:
    return [place for place, alert in enumerate(alerts) if _overlap(alert, episode)]


def _overlap(alert: KnownAlert, episode: Episode) -> bool:
    """Whether they share a moment between their first and their last TRUE row, ends included."""
    return alert.started_at <= episode.ended_at and episode.started_at <= alert.ended_at


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether an episode is loud, and if not, why."""

    loud: bool
    quiet_reason: QuietReason | None = None


def delivery(
    episode: Episode,
    *,
    cooldown: timedelta,
    previous_loud_end: datetime | None,
    mutes: Iterable[tuple[datetime, datetime]] = (),
) -> Delivery:
    """Loud once there is a fresh TRUE row at or after `opened_at`, outside of every mute [from, until); never without
    one.

    `previous_loud_end` is the `ended_at` of the person's previous loud episode of the rule: one that opens within
    `cooldown` of it needs a fresh TRUE row that is past it.
    """
    last = episode.last_fresh_at
    if last is None:
        return Delivery(loud=False, quiet_reason="late")
    if any(since <= last < until for since, until in mutes):
        return Delivery(loud=False, quiet_reason="muted")
    over = None if previous_loud_end is None else previous_loud_end + cooldown
    if over is None or episode.opened_at > over or last > over:
        return Delivery(loud=True)
    return Delivery(loud=False, quiet_reason="cooldown")
