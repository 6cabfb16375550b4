"""A consumer whose clock is off by as many seconds as the file `CHAOS_CLOCK` says at that moment."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from django.utils import timezone


def change() -> None:
    from ingestion.management.commands import run_consumer

    off = Path(os.environ["CHAOS_CLOCK"])

    def now() -> datetime:
        return timezone.now() + timedelta(seconds=float(off.read_text()))

    run_consumer.timezone = SimpleNamespace(now=now)
