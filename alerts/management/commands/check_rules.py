"""`manage.py check_rules`: lint of rule files."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from alerts.rule_files import read_rule_files, unknown_replaced
from alerts.rule_files.schema import schema_text


class Command(BaseCommand):
    help = "Check rule files: prints FILE:LINE:COLUMN: message for every problem and exits 1 if there is one."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders (default: alerts/rules)")
        parser.add_argument(
            "--schema", action="store_true", help="print the JSON Schema of a rule file, and check none"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["schema"]:
            self.stdout.write(schema_text(), ending="")
            return
        files, problems = read_rule_files(options["paths"])
        problems += unknown_replaced(files)
        for problem in problems:
            self.stdout.write(str(problem))
        if problems:
            sys.exit(1)
        self.stdout.write(f"{len(files)} rules, no problem")
