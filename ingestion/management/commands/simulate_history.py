"""`manage.py simulate_history`: a day of simulated people, so that no chart is empty."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from devices.simulator.people import people, wearer_ids
from devices.simulator.plan import DEFAULT_WEARERS
from ingestion.management.explained import explained
from ingestion.management.stopping import stop_signals
from ingestion.send.headroom import PAST_MESSAGES
from ingestion.send.history import history_send, spans
from ingestion.send.producer import SendingStoppedError
from ingestion.send.senders import sending
from ingestion.send.sending import producer_make


class Command(BaseCommand):
    help = "Send the past of simulated people, as far as it is not stored: a reading a minute, lately every 5 s."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wearers", type=int, default=DEFAULT_WEARERS, metavar="N", help="user_001 to user_N (12)")
        parser.add_argument("--hours", type=int, default=24, metavar="H", help="up to now (24)")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="as that of the live simulator (1)")

    def handle(self, *_args: Any, **options: Any) -> None:
        who = people(options["seed"], wearer_ids(options["wearers"]))
        with explained(), stop_signals() as stopping, sending():
            producer = producer_make(
                stopping=lambda: bool(stopping),
                on_wait=lambda: self.stderr.write("waiting for a consumer"),
                most=PAST_MESSAGES,
            )
            sent = 0
            for span in spans(until=timezone.now(), hours=options["hours"]):
                if stopping:
                    break
                try:
                    sent += history_send(who=who, span=span, producer=producer, topic=settings.TELARA_TOPIC_RAW)
                except SendingStoppedError:
                    break
            producer.flush()
        self.stdout.write(f"{sent} readings sent and acknowledged")
