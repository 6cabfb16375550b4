"""Simulations that the worker carries out: every second, of each that is due, the readings since the last slice.

A slice is one transaction that holds the row's lock: a second worker passes by, a person who stops it waits for a
moment. `sent_until` moves only when the broker has everything. A worker that is killed leaves no lock, and its slice is
sent again, as the same events, which are stored once.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import QuerySet

from devices.failpoints import reach
from devices.models import Simulation
from devices.simulations import claims, simulation_fails, simulation_plan, simulations_stop_lost
from ingestion.send.producer import Producer, SendingStoppedError
from ingestion.send.simulation import FORGETS_AFTER_MS, Outlet, Run

log = structlog.get_logger(__name__)
SLICE_S: Final = 2.0
FLUSH_S: Final = 5.0
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def simulations_due(*, at: datetime) -> bool:
    """Whether there is anything to do at all; ends what commands that are gone have left behind."""
    simulations_stop_lost(at=at)
    return _due(at).exists()


def simulations_step(*, producer: Producer, topic: str, now: datetime) -> int:
    """Send what every due simulation has to send by `now`; how many messages that were."""
    return sum(_slice(pk, producer, topic, now) for pk in _due(now).order_by("pk").values_list("pk", flat=True))


def _due(at: datetime) -> QuerySet[Simulation]:
    alive = Simulation.objects.exclude(state=Simulation.State.STOPPED)
    return alive.filter(runner=Simulation.Runner.WORKER, starts_at__lte=at)


def _slice(pk: int, producer: Producer, topic: str, now: datetime) -> int:
    with transaction.atomic():
        simulation = _due(now).select_for_update(skip_locked=True).filter(pk=pk).first()
        if simulation is None:
            return 0
        try:
            run = _run(simulation, producer, topic, now)
            _send(run, _ms(now))
        except SendingStoppedError:  # no room: the next slice sends it all again, as the same events
            log.warning("simulation.waits_for_consumer", simulation=pk)
            return 0
        except (ValueError, ArithmeticError):  # of its own numbers: it would fail each second, and others wait for it
            log.exception("simulation.fails", simulation=pk)
            simulation_fails(simulation=simulation, at=now)
            return 0
        producer.flush(timeout_s=FLUSH_S)
        _keep(simulation, run, now)
        reach("simulation_before_commit")
    reach("simulation_after_commit")
    return run.sent.messages


def _run(simulation: Simulation, producer: Producer, topic: str, now: datetime) -> Run:
    """From where the last slice ended; a wearable forgets what it could not send for a minute."""
    plan = simulation_plan(simulation)
    sent_until = plan.start_ms if simulation.sent_until is None else _ms(simulation.sent_until)
    others = claims(simulation=simulation, at=now)
    return Run(
        plan,
        Outlet(producer, topic, is_held=others.is_held),
        from_ms=max(sent_until, _ms(now) - FORGETS_AFTER_MS),
        ahead_ms=0,
    )


def _send(run: Run, now_ms: int) -> None:
    """Up to `now_ms`, or as much of it as a slice takes."""
    deadline = time.monotonic() + SLICE_S
    while not run.is_over and run.position_ms < now_ms and time.monotonic() < deadline:
        run.step(now_ms)


def _keep(simulation: Simulation, run: Run, now: datetime) -> None:
    """Write down how far it is, under the lock of its row; a round that is over is followed by the next, or by none."""
    simulation.sent += run.sent.messages
    simulation.spoilt += run.sent.spoilt
    simulation.seen_at = now
    simulation.state = Simulation.State.RUNNING
    simulation.sent_until = EPOCH + timedelta(milliseconds=run.position_ms)
    if run.is_over:
        simulation.rounds += 1
        if simulation.repeat_s is None:
            simulation.state, simulation.reason = Simulation.State.STOPPED, Simulation.Reason.DONE
            simulation.stopped_at = now
        else:
            rounds = (now - simulation.starts_at) // timedelta(seconds=simulation.repeat_s) + 1
            simulation.starts_at += rounds * timedelta(seconds=simulation.repeat_s)
            simulation.state, simulation.sent_until = Simulation.State.REQUESTED, None
    simulation.save(
        update_fields=[
            "sent", "spoilt", "seen_at", "state", "reason", "stopped_at", "sent_until", "rounds", "starts_at",
        ]
    )  # fmt: skip


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
