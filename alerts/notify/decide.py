"""What a route is to tell of an incident, now or when. Pure: time and all that is known are arguments.

One message at the start, one at each higher severity, one at the end; besides them repeats, for as long as nobody looks
after it. A snooze silences what is not worse than what was snoozed; quiet alerts and closed ones count for nothing.
What leaves late is of what nobody looks after: only a start that leaves at once may be of what somebody does already.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["start", "again", "higher", "still", "end", "withdrawn"]
RANK: Final = MappingProxyType({"INFO": 1, "LOW": 2, "MEDIUM": 3, "HIGH": 4, "CRITICAL": 5})
NAME: Final = MappingProxyType({rank: name for name, rank in RANK.items()})
TOGETHER: Final = timedelta(minutes=1)  # an incident that is over that soon is told whole: started, ended
WITHDRAWN: Final = "it was withdrawn"
OVER: Final = "it is over"
LOOKED_AFTER: Final = "somebody looks after it"
RESOLVE: Final = timedelta(seconds=5)  # an end waits so long before it asks again whether the start has arrived


@dataclass(frozen=True, slots=True)
class Member:
    """An alert of the incident. `hushed`: a snooze or a mute covers it (until `hushed_until`), or it is closed;
    `renewed_at`: when a snooze or mute of it was last over while it fired."""

    rank: int
    firing: bool
    withdrawn: bool
    quiet: bool
    triage: str
    hushed: bool = False
    hushed_until: datetime | None = None
    renewed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the route asks for. `quiet_until` gives the end of the quiet hours that a moment lies in."""

    least: int
    wait: timedelta = timedelta(0)
    every: timedelta = timedelta(minutes=5)
    most: int = 0
    critical_pierces: bool = True
    quiet_until: Callable[[datetime], datetime | None] = lambda at: None  # noqa: ARG005

    def held_until(self, rank: int, at: datetime) -> datetime | None:
        """Until when quiet hours hold back a message of this severity."""
        if self.critical_pierces and rank >= RANK["CRITICAL"]:
            return None
        return self.quiet_until(at)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the telling is: the fields of `Notice`. `in_flight`: a message of the round is on its way."""

    since: datetime
    round: int = 1
    told: int = 0
    repeats: int = 0
    over: bool = False
    last_at: datetime | None = None
    sent_at: datetime | None = None
    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to say now, if anything, how far that is, and when to look again; None: when the incident changes."""

    progress: Progress
    kind: Kind | None = None
    rank: int = 0
    next_at: datetime | None = None


def loud(members: Iterable[Member], least: int) -> list[Member]:
    """What a route may tell of at all."""
    return [each for each in members if not each.withdrawn and not each.quiet and each.rank >= least]


def unattended(members: Sequence[Member], *, strictly: bool) -> list[Member]:
    """Those that nothing hushes; `strictly`: and that are worse than what anybody looks after."""
    seen = max((each.rank for each in members if each.triage != "new"), default=0) if strictly else 0
    return [each for each in members if not each.hushed and each.rank > seen]


def unseen(members: Iterable[Member]) -> list[Member]:
    """Those that nothing hushes and nobody looks after."""
    return [each for each in members if not each.hushed and each.triage == "new"]


def worth_telling(plan: Plan, kind: str, standing: Sequence[Member], *, late: bool = False) -> list[Member]:
    """Those that a message of this kind may be about; `late`: it does not leave at once."""
    if plan.wait or kind == "still":
        return unattended(standing, strictly=True)
    if kind == "start" and not late:
        return unattended(standing, strictly=False)
    return unseen(standing)


def renewed(standing: Iterable[Member], since: datetime) -> list[Member]:
    """What is to be told again, as a snooze or mute of some of it was over after `since`."""
    firing = [each for each in unseen(standing) if each.firing]
    return firing if any(each.renewed_at is not None and each.renewed_at > since for each in firing) else []


def decide(plan: Plan, progress: Progress, members: Sequence[Member], at: datetime) -> Decision:
    """What the route says of an incident with these members at `at`; what is hushed is looked at again after that."""
    decision = _decide(plan, progress, members, at)
    told = 0 if decision.kind is None else decision.progress.told
    firing = [each for each in loud(members, plan.least) if each.firing and each.rank > told]
    hushed = [each.hushed_until for each in firing if each.hushed_until is not None]
    if not hushed:
        return decision
    return replace(decision, next_at=min([*hushed, *([decision.next_at] if decision.next_at else [])]))


def _decide(plan: Plan, progress: Progress, members: Sequence[Member], at: datetime) -> Decision:
    standing = loud(members, plan.least)
    going = any(each.firing for each in standing)
    if progress.over:
        if not going or not unseen(standing):
            return Decision(progress)
        progress = Progress(since=at, round=progress.round + 1)
    if progress.told == 0:
        return _begin(plan, progress, standing, going=going, at=at)
    if not going:
        return _end(plan, progress, withdrawn=not standing, at=at)
    return _go_on(plan, progress, standing, at)


def _begin(plan: Plan, progress: Progress, standing: Sequence[Member], *, going: bool, at: datetime) -> Decision:
    due_at = progress.since + plan.wait
    if at < due_at:
        return Decision(progress, next_at=due_at)
    if not going and (plan.wait or at > progress.since + TOGETHER):
        return Decision(progress)
    kind: Kind = "start" if progress.round == 1 else "again"
    worth = worth_telling(plan, kind, standing, late=_is_late(plan, progress, at))
    if not worth:
        return Decision(progress)
    return _say(plan, progress, kind, max(each.rank for each in worth), at)


def _is_late(plan: Plan, progress: Progress, at: datetime) -> bool:
    """Whether a start was held back: by quiet hours or a snooze, or since the message that said it was dropped."""
    was_quiet = plan.quiet_until(progress.since) is not None and plan.quiet_until(at) is None
    return was_quiet or progress.last_at is not None or at > progress.since + TOGETHER


def _end(plan: Plan, progress: Progress, *, withdrawn: bool, at: datetime) -> Decision:
    if progress.sent_at is None:
        if progress.in_flight:
            return Decision(progress, next_at=at + RESOLVE)
        return Decision(replace(progress, over=True))
    held = plan.held_until(progress.told, at)
    if held is not None:
        return Decision(progress, next_at=held)
    return Decision(replace(progress, over=True, last_at=at), "withdrawn" if withdrawn else "end", progress.told)


def _go_on(plan: Plan, progress: Progress, standing: Sequence[Member], at: datetime) -> Decision:
    worse = [each for each in worth_telling(plan, "higher", standing) if each.rank > progress.told]
    if worse:
        return _say(plan, progress, "higher", max(each.rank for each in worse), at)
    last_at = progress.last_at or progress.since
    if again := renewed(standing, last_at):
        return _say(plan, progress, "still", max(each.rank for each in again), at)
    open_still = [each for each in worth_telling(plan, "still", standing) if each.firing]
    if not open_still or progress.repeats >= plan.most:
        return Decision(progress)
    if at < last_at + plan.every:
        return Decision(progress, next_at=last_at + plan.every)
    return _say(plan, progress, "still", max(each.rank for each in open_still), at, repeats=progress.repeats + 1)


def _say(  # noqa: PLR0913  # what is said, each by name
    plan: Plan, progress: Progress, kind: Kind, rank: int, at: datetime, *, repeats: int | None = None
) -> Decision:
    held = plan.held_until(rank, at)
    if held is not None:
        return Decision(progress, next_at=held)
    if repeats is None:
        repeats = 0 if kind == "higher" else progress.repeats
    said = replace(progress, told=max(progress.told, rank), repeats=repeats, last_at=at)
    return Decision(said, kind, rank, at + plan.every if repeats < plan.most else None)


def still_wanted(  # noqa: PLR0913  # a message, each part by name
    plan: Plan,
    kind: str,
    rank: int,
    members: Sequence[Member],
    at: datetime,
    *,
    late: bool = False,
    before: datetime | None = None,
) -> str | datetime | None:
    """Whether a message that was decided on may leave: None, or why not, or until when quiet hours hold it back.

    `late`: it was tried before, or held back; `before`: when the last message before it was made.
    """
    standing = loud(members, plan.least)
    going = any(each.firing for each in standing)
    if kind in ("end", "withdrawn"):
        if going:
            return "it is open again"
    else:
        if not standing:
            return WITHDRAWN
        if (kind == "still" or plan.wait) and not going:
            return OVER
        worth = worth_telling(plan, kind, standing, late=late)
        if kind == "still" and before is not None:
            worth += renewed(standing, before)
        if not any(each.rank >= rank for each in worth):
            return LOOKED_AFTER
    return plan.held_until(rank, at)
