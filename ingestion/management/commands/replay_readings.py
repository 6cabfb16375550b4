"""`manage.py replay_readings`: files of recorded readings, to Kafka."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils import timezone

from devices.readings_file import ReadingsFileError
from ingestion.management.explained import explained
from ingestion.management.stopping import stop_signals
from ingestion.send.producer import Outgoing, Producer, SendingStoppedError
from ingestion.send.replay import Recorded, Recording, recording, shift_to
from ingestion.send.senders import sending
from ingestion.send.sending import producer_make

TELL_EVERY_S: Final = 1.0
NAP_S: Final = 0.1


class Command(BaseCommand):
    help = "Send files of readings (flat .csv or .ndjson of events, gzipped or not) in the order of their rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--speed", type=_speed, default=0.0, metavar="X", help="times real time, or max (max)")
        parser.add_argument("--now", action="store_true", help="shift all times so that the last is now")

    def handle(self, *_args: Any, **options: Any) -> None:
        with explained(), stop_signals() as stopping, sending():  # a sender while it reads its files, too
            recordings = _read(options["files"])
            shift = shift_to(timezone.now(), recordings) if options["now"] else timedelta()
            progress = Progress(sum(each.count for each in recordings), self.stderr)
            events = chain.from_iterable(each.events(shift=shift) for each in recordings)
            producer = producer_make(
                stopping=lambda: bool(stopping), on_wait=lambda: self.stderr.write("waiting for a consumer")
            )
            self._send(producer, paced(events, options["speed"], stopping), progress)
            producer.flush()
        if stopping:
            raise CommandError(f"Stopped after {progress.sent:,} of {progress.total:,} readings, which were all taken.")
        self.stdout.write(f"{progress.sent} readings of {len(recordings)} files sent and acknowledged")

    def _send(self, producer: Producer, events: Iterator[Recorded], progress: "Progress") -> None:
        try:
            for recorded in events:
                producer.send(Outgoing(settings.TELARA_TOPIC_RAW, recorded.user_id, recorded.event))
                progress.add()
        except SendingStoppedError:
            return


@dataclass(slots=True)
class Progress:
    """Tells once a second how far it is."""

    total: int
    out: OutputWrapper
    sent: int = 0
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    def add(self) -> None:
        """One more was handed over."""
        self.sent += 1
        now = time.monotonic()
        if now - self.told >= TELL_EVERY_S:
            self.told = now
            rate = self.sent / (now - self.began)
            self.out.write(f"{self.sent:,} of {self.total:,} readings ({self.sent / self.total:.0%}), {rate:,.0f}/s")


def paced(events: Iterable[Recorded], speed: float, stopping: list[int]) -> Iterator[Recorded]:
    """Each event when its time has come at `speed` times real time (0: at once); ends early when told to stop.

    The first time in the file is now. A step backward in time waits for nothing.
    """
    began, first = time.monotonic(), None
    for recorded in events:
        if speed and recorded.at is not None:
            first = first or recorded.at
            due = began + (recorded.at - first).total_seconds() / speed
            while not stopping and (left := due - time.monotonic()) > 0:
                time.sleep(min(left, NAP_S))
        if stopping:
            return
        yield recorded


def _read(paths: Iterable[Path]) -> list[Recording]:
    try:
        return [recording(path) for path in paths]
    except ReadingsFileError as error:
        raise CommandError(str(error)) from error


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is neither a number nor max") from error
    if not 0 < speed < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no speed: it must be above 0")
    return speed
