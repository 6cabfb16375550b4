"""`manage.py run_simulator`: virtual wearables, to Kafka."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from devices.simulations import claims, command_began, command_ended, command_lives, simulation_plan
from devices.simulator.anomalies import ANOMALIES
from devices.simulator.plan import Plan, Wish, plan_of
from ingestion.management.explained import explained
from ingestion.management.stopping import stop_signals
from ingestion.send.headroom import MAX_MESSAGES, PAST_MESSAGES
from ingestion.send.producer import SendingStoppedError
from ingestion.send.senders import sending
from ingestion.send.sending import producer_make
from ingestion.send.simulation import Outlet, Run, Sent, never_held
from ingestion.send.truth import Truth

NAP_S = 0.2
LOOK_EVERY_S = 1.0
log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Send the readings of simulated people, as they come, or as fast as possible from a start in the past."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wearers", type=int, metavar="N", help="user_001 to user_N (12; none beside --user)")
        parser.add_argument("--rate", type=float, default=1.0, metavar="HZ", help="readings a second of each (1)")
        parser.add_argument("--duration", type=float, metavar="S", help="seconds (until stopped, or past the anomaly)")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed is other people (1)")
        parser.add_argument("--anomaly", choices=sorted(ANOMALIES), default="", metavar="NAME", help=_names())
        parser.add_argument("--user", default="", metavar="ID", help="who has the anomaly; alone without --wearers")
        parser.add_argument("--bad-data", type=float, default=0.0, metavar="P", help="spoil this part of the events")
        parser.add_argument("--start", type=_milliseconds, metavar="ISO", help="time of the first reading (now)")
        parser.add_argument("--truth", type=Path, metavar="FILE", help="write what was injected, as JSON lines")

    def handle(self, *_args: Any, **options: Any) -> None:
        wish = Wish(
            wearers=options["wearers"],
            user_id=options["user"],
            hertz=options["rate"],
            duration_s=options["duration"],
            seed=options["seed"],
            anomaly=options["anomaly"],
            bad_data=options["bad_data"],
        )
        with explained(), stop_signals() as stopping, sending():
            if options["start"] is None:
                live = Live(wish)
                run = self._run(live.plan, stopping, options["truth"], live)
                live.end(run.sent)
            else:
                run = self._run(plan_of(wish, start_ms=options["start"]), stopping, options["truth"], None)
        self.stdout.write(f"{run.sent.messages} messages sent and acknowledged, {run.sent.spoilt} readings spoilt")

    def _run(self, plan: Plan, stopping: list[int], truth_file: Path | None, live: "Live | None") -> Run:
        with ExitStack() as stack:
            truth = None
            if truth_file is not None:
                truth = Truth(stack.enter_context(truth_file.open("w")), plan.injections)
            most = MAX_MESSAGES if live else PAST_MESSAGES
            producer = producer_make(stopping=lambda: bool(stopping), on_wait=self._tell_wait, most=most)
            outlet = Outlet(producer, settings.TELARA_TOPIC_RAW, truth, live.is_held if live else never_held)
            run = Run(plan, outlet)
            try:
                while not stopping and not run.is_over and (live is None or live.goes_on(run.sent)):
                    time.sleep(min(NAP_S, run.step(_now_ms())))
            except SendingStoppedError:
                pass
            if truth is not None:
                truth.close(run.position_ms)
            producer.flush(timeout_s=15.0)
            return run

    def _tell_wait(self) -> None:
        self.stderr.write("waiting for a consumer")


class Live:
    """A run of the present: known to the others by its row, it leaves them their people and ends when it is told to."""

    def __init__(self, wish: Wish) -> None:
        self._row = command_began(wish=wish, at=timezone.now())
        self._claims = claims(simulation=self._row, at=timezone.now())
        self._looked_at = time.monotonic()
        self._told_to_stop = False
        self.plan = simulation_plan(self._row)

    def is_held(self, user_id: str, at_ms: int) -> bool:
        """Whether another run sends that reading."""
        return self._claims.is_held(user_id, at_ms)

    def goes_on(self, sent: Sent) -> bool:
        """False once a person has told it to stop. What it knew of the others stays while the database is away."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return not self._told_to_stop
        self._looked_at = time.monotonic()
        at = timezone.now()
        try:
            lives = command_lives(simulation=self._row, sent=sent.messages, spoilt=sent.spoilt, at=at)
            self._told_to_stop = not lives
            self._claims = claims(simulation=self._row, at=at)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            log.warning("database.away", error=str(error).strip().split("\n")[0])
        return not self._told_to_stop

    def end(self, sent: Sent) -> None:
        """It has ended."""
        command_ended(simulation=self._row, sent=sent.messages, spoilt=sent.spoilt, at=timezone.now())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _milliseconds(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a time of ISO 8601") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _names() -> str:
    return ", ".join(sorted(ANOMALIES))
