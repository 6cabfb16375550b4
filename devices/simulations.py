"""Starting and stopping simulations, and who of several simulates a person.

A person wears one set of devices. Where several runs simulate the same person at the same time, one sends and the
others leave the person out: the one whose anomaly the person has just then, else the one that began last.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from django.db.models import F, Min, Q, QuerySet

from devices.models import Simulation, User
from devices.simulator.people import wearer_ids
from devices.simulator.plan import Plan, Wish, plan_of

# Long enough for every run to read of a new one before it begins, so that not one reading is sent twice.
NOTICE: Final = timedelta(seconds=3)
AHEAD: Final = timedelta(days=366)  # a run begins within it; no clock has the hours around the last day there is
ALIVE_FOR: Final = timedelta(seconds=10)
STOPS_WITHIN: Final = timedelta(seconds=10)  # of being told to: until then it sends


class SimulationError(ValueError):
    """A simulation that can't be; the text says why."""


class NotVirtualError(SimulationError):
    """One that would send in the name of somebody real, by whom that may not."""


def simulation_start(
    *, wish: Wish, by: User | None, at: datetime, starts_at: datetime | None = None, repeat_s: float | None = None
) -> Simulation:
    """Have the worker simulate, from `starts_at` (else from in a moment), again every `repeat_s` seconds.

    Raises SimulationError for what can't be done, and NotVirtualError for somebody real, where `by` may not send for
    others.
    """
    if starts_at is not None and starts_at > at + AHEAD:
        raise SimulationError(f"a run begins within {AHEAD.days} days")
    begins = max(at + NOTICE, starts_at or at)
    try:
        plan = plan_of(wish, start_ms=_ms(begins))
    except ValueError as error:
        raise SimulationError(str(error)) from error
    if repeat_s is not None and (plan.end_ms is None or repeat_s * 1000 <= plan.end_ms - plan.start_ms):
        raise SimulationError("a run that is repeated must end before it begins again")
    if by is not None and not by.has_perm("devices.add_readings"):
        _ensure_virtual(plan.user_ids)
    return Simulation.objects.create(
        **_wished(wish, plan),
        runner=Simulation.Runner.WORKER,
        requested_by=by,
        requested_at=at,
        starts_at=begins,
        repeat_s=repeat_s,
    )


def simulation_stop(*, simulation: Simulation, by: User | None, at: datetime) -> bool:
    """Stop it, within seconds, and for good where it is repeated; False where it had stopped."""
    return _stop(Simulation.objects.filter(pk=simulation.pk), reason=Simulation.Reason.ASKED, at=at, by=by) > 0


def simulations_stop_lost(*, at: datetime) -> int:
    """Mark commands as stopped that have not been heard of for a while; how many."""
    lost = Simulation.objects.filter(runner=Simulation.Runner.COMMAND, seen_at__lt=at - ALIVE_FOR)
    return _stop(lost, reason=Simulation.Reason.LOST, at=at)


def command_began(*, wish: Wish, at: datetime) -> Simulation:
    """A `run_simulator` is alive, from now on; an anomaly of people whom another run sends begins in a moment.

    Raises ValueError for what can't be done.
    """
    simulation = Simulation.objects.create(
        **_wished(wish, plan_of(wish, start_ms=_ms(at))),
        runner=Simulation.Runner.COMMAND,
        state=Simulation.State.RUNNING,
        requested_at=at,
        starts_at=at,
        seen_at=at,
    )
    if wish.anomaly and claims(simulation=simulation, at=at).is_disputed:
        simulation.starts_at = at + NOTICE
        Simulation.objects.filter(pk=simulation.pk).update(starts_at=simulation.starts_at)
    return simulation


def command_lives(*, simulation: Simulation, sent: int, spoilt: int, at: datetime) -> bool:
    """It is still alive, and this far; False when a person told it to stop. One that was taken for lost is back."""
    alive = Simulation.objects.filter(pk=simulation.pk).exclude(reason=Simulation.Reason.ASKED)
    return (
        alive.update(sent=sent, spoilt=spoilt, seen_at=at, state=Simulation.State.RUNNING, reason="", stopped_at=None)
        > 0
    )


def command_ended(*, simulation: Simulation, sent: int, spoilt: int, at: datetime) -> None:
    """It has ended by itself, or as it was told."""
    Simulation.objects.filter(pk=simulation.pk).update(sent=sent, spoilt=spoilt, seen_at=at)
    _stop(Simulation.objects.filter(pk=simulation.pk), reason=Simulation.Reason.DONE, at=at)


def simulations_alive(*, at: datetime) -> QuerySet[Simulation]:
    """Those that run, or are about to."""
    requested = Q(state=Simulation.State.REQUESTED, starts_at__lte=at + NOTICE)
    running = Q(state=Simulation.State.RUNNING, seen_at__gt=at - ALIVE_FOR)
    return Simulation.objects.filter(requested | running)


def simulated_to_stop(silences: Mapping[str, tuple[datetime, datetime]]) -> set[str]:
    """Of these people (user_id: last heard, and when that became too long) those whose simulation ended between the
    two, as it was meant to. One whose process is gone was not meant to."""
    if not silences:
        return set()
    first = min(heard_at for heard_at, _ in silences.values()) - STOPS_WITHIN
    meant = (Simulation.Reason.DONE, Simulation.Reason.ASKED)
    stopped = Simulation.objects.filter(state=Simulation.State.STOPPED, reason__in=meant, stopped_at__gte=first)
    found: set[str] = set()
    for at, wearers, wearer_id in stopped.values_list("stopped_at", "wearers", "wearer_id"):
        assert at is not None  # noqa: S101  # the constraint of the stopped
        theirs = silences.keys() & (_wearers(wearers) | {wearer_id})
        found |= {user_id for user_id in theirs if silences[user_id][0] - STOPS_WITHIN <= at < silences[user_id][1]}
    return found


def simulation_fails(*, simulation: Simulation, at: datetime) -> None:
    """It can't be, and is stopped for no reason of anybody's."""
    _stop(Simulation.objects.filter(pk=simulation.pk), reason="", at=at)


def simulation_plan(simulation: Simulation) -> Plan:
    """The plan of its present round. Raises ValueError for what can't be done."""
    return plan_of(_wish_of(simulation), start_ms=_ms(simulation.starts_at))


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run says of a person at a time: `begins` and `pk` settle who sends where nobody has an anomaly."""

    pk: int
    begins: datetime
    plan: Plan
    everyone: frozenset[str]

    def rank(self, user_id: str, at_ms: int) -> tuple[bool, datetime, int] | None:
        """The higher one sends; None where this run does not simulate the person then."""
        if user_id not in self.everyone or at_ms < self.plan.start_ms:
            return None
        if self.plan.end_ms is not None and at_ms >= self.plan.end_ms:
            return None
        has_anomaly = any(
            injection.start_ms <= at_ms < injection.end_ms and user_id in injection.user_ids
            for injection in self.plan.injections
        )
        return has_anomaly, self.begins, self.pk


class Claims:
    """The runs that are alive, as one of them sees the others."""

    def __init__(self, mine: Claim, others: Iterable[Claim]) -> None:
        self._mine = mine
        self._others = tuple(other for other in others if other.pk != mine.pk and other.everyone & mine.everyone)

    @property
    def is_disputed(self) -> bool:
        """Whether another run simulates any of its people."""
        return bool(self._others)

    def is_held(self, user_id: str, at_ms: int) -> bool:
        """Whether another run sends this person's reading of that time."""
        if not self._others:
            return False
        mine = self._mine.rank(user_id, at_ms)
        ranks = (other.rank(user_id, at_ms) for other in self._others)
        return mine is None or any(rank is not None and rank > mine for rank in ranks)


def claim_of(simulation: Simulation) -> Claim:
    plan = simulation_plan(simulation)
    everyone = _wearers(simulation.wearers)
    if simulation.wearer_id:
        everyone |= {simulation.wearer_id}
    return Claim(simulation.pk, simulation.starts_at, plan, everyone)


def claims(*, simulation: Simulation, at: datetime) -> Claims:
    """Who else simulates the people of `simulation`."""
    return Claims(claim_of(simulation), _claims_of(simulations_alive(at=at)))


def _claims_of(simulations: Iterable[Simulation]) -> Iterator[Claim]:
    """Of those that can be: one that can't holds nobody."""
    for simulation in simulations:
        with suppress(ValueError):
            yield claim_of(simulation)


def _ensure_virtual(user_ids: Collection[str]) -> None:
    """Raises NotVirtualError where somebody real is among them: a false reading of theirs would stand among true ones,
    and wake those who watch them."""
    accounts = dict(User.objects.filter(username__in=user_ids).values_list("username", "date_joined"))
    if real := sorted(accounts.keys() - _virtual(accounts)):
        raise NotVirtualError(
            f"The readings of {real[0]} never came from the simulator. Take another user id, or fewer people, or ask an"
            " administrator for the permission to post readings for anyone"
        )


def _virtual(accounts: Mapping[str, datetime]) -> set[str]:
    """Those of these accounts (user_id: since when it is there) that the simulator made, or that a command sent for.

    Whoever holds the machine says who is virtual. Another run says so only of who came by it: it may have been asked
    for by somebody who may send for real people, or before there was anybody of that name.
    """
    found: set[str] = set()
    runs = Simulation.objects.filter(Q(runner=Simulation.Runner.COMMAND) | Q(sent__gt=F("spoilt")))
    runs = runs.filter(Q(wearers__gt=0) | Q(wearer_id__in=accounts))
    firsts = runs.order_by().values_list("runner", "wearers", "wearer_id").annotate(first=Min("requested_at"))
    for runner, wearers, wearer_id, first in firsts:
        theirs = accounts.keys() & (_wearers(wearers) | {wearer_id})
        found |= {user_id for user_id in theirs if runner == Simulation.Runner.COMMAND or first <= accounts[user_id]}
    return found


def _stop(rows: QuerySet[Simulation], *, reason: str, at: datetime, by: User | None = None) -> int:
    return rows.exclude(state=Simulation.State.STOPPED).update(
        state=Simulation.State.STOPPED, reason=reason, stopped_at=at, stopped_by=by
    )


def _wished(wish: Wish, plan: Plan) -> dict[str, object]:
    duration_s = None if plan.end_ms is None else (plan.end_ms - plan.start_ms) / 1000
    return {
        "wearers": wish.count,
        "wearer_id": wish.user_id,
        "hertz": wish.hertz,
        "anomaly": wish.anomaly,
        "bad_data": wish.bad_data,
        "seed": wish.seed,
        "duration_s": duration_s,
    }


def _wish_of(simulation: Simulation) -> Wish:
    return Wish(
        wearers=simulation.wearers,
        user_id=simulation.wearer_id,
        hertz=simulation.hertz,
        duration_s=simulation.duration_s,
        seed=simulation.seed,
        anomaly=simulation.anomaly,
        bad_data=simulation.bad_data,
    )


@lru_cache(maxsize=32)
def _wearers(count: int) -> frozenset[str]:
    return frozenset(wearer_ids(count))


def _ms(at: datetime) -> int:
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
