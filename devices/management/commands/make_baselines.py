"""`manage.py make_baselines`: what is usual for each person, as the night makes it."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from devices.baselines import baselines_make, valid_from


class Command(BaseCommand):
    help = "Make everyone's personal baselines of the 28 days before a UTC midnight, by default the last one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=midnight, metavar="DATE", help="valid from its UTC midnight on")

    def handle(self, *_args: Any, **options: Any) -> None:
        at = options["as_of"] or midnight(timezone.now().astimezone(UTC).date().isoformat())
        made = baselines_make(as_of=at)
        self.stdout.write(f"{made} people have a baseline that is valid from {valid_from(at):%Y-%m-%d} on")


def midnight(text: str) -> datetime:
    """The UTC midnight that the ISO date `text` begins with; raises ArgumentTypeError."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-03-01") from error
