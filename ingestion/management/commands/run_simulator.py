"""`manage.py run_simulator`: virtual wearables, to Kafka."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from devices.simulator.anomalies import ANOMALIES
from ingestion.management.explained import explained
from ingestion.management.stopping import stop_signals
from ingestion.producer import SendingStoppedError
from ingestion.senders import sending
from ingestion.sending import producer_make
from ingestion.simulation import Plan, Run, Wish, plan_of
from ingestion.truth import Truth

NAP_S = 0.2


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
        with explained(), stop_signals() as stopping:
            plan = plan_of(wish, start_ms=options["start"] if options["start"] is not None else _now_ms())
            run = self._run(plan, stopping, options["truth"])
        self.stdout.write(f"{run.sent.messages} messages sent and acknowledged, {run.sent.spoilt} readings spoilt")

    def _run(self, plan: Plan, stopping: list[int], truth_file: Path | None) -> Run:
        with ExitStack() as stack:
            stack.enter_context(sending())
            truth = None
            if truth_file is not None:
                truth = Truth(stack.enter_context(truth_file.open("w")), plan.injections)
            producer = producer_make(stopping=lambda: bool(stopping), on_wait=self._tell_wait)
            run = Run(plan, producer=producer, topic=settings.TELARA_TOPIC_RAW, truth=truth)
            try:
                while not stopping and not run.is_over:
                    time.sleep(min(NAP_S, run.step(_now_ms())))
            except SendingStoppedError:
                pass
            if truth is not None:
                truth.close(run.position_ms)
            producer.flush(timeout_s=15.0)
            return run

    def _tell_wait(self) -> None:
        self.stderr.write("waiting for a consumer")


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
