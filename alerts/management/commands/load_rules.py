"""`manage.py load_rules`: YAML rules into the database."""

import sys
import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from alerts.rule_files import read_rule_files
from alerts.services.rules import rules_load


class Command(BaseCommand):
    help = (
        "Load YAML rules: what changed becomes a new version. Returns when they are active, 10 s later where a"
        " consumer runs. With a mistake in any file it names every one as FILE:LINE:COLUMN and loads nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders (default: alerts/rules)")
        parser.add_argument("--only", action="store_true", help="disable all other rules")
        parser.add_argument("--keep-disabled", action="store_true", help="leave rules alone that somebody disabled")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        files, problems = read_rule_files(options["paths"])
        for problem in problems:
            self.stderr.write(str(problem))
        if problems:
            sys.exit(1)
        loaded = rules_load(
            files=files, at=timezone.now(), only=options["only"], keep_disabled=options["keep_disabled"]
        )
        wait_until(loaded.active_at)
        made, unchanged, disabled = len(loaded.made), len(loaded.unchanged), len(loaded.disabled)
        self.stdout.write(f"{made} rules loaded, {unchanged} unchanged, {disabled} disabled.")


def wait_until(at: datetime) -> None:
    """Sleep until the clock shows `at`."""
    while (left := (at - timezone.now()).total_seconds()) > 0:
        time.sleep(left)
