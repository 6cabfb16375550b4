"""`manage.py backtest`: the episodes that rules find in files of readings."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from django.core.management.base import BaseCommand, CommandError

from alerts.backtest import Finding, backtest
from alerts.engine import Rule
from alerts.rule_files import read_rules
from devices.readings_file import Readings, ReadingsFileError, read_readings

_COLUMNS = ("rule", "user", "started", "opened", "ended", "rows", "averages", "end")


class Command(BaseCommand):
    help = "Print the episodes that rules find in files of readings, without a database."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--readings", nargs="+", required=True, type=Path, metavar="FILE", help=".csv[.gz], .ndjson[.gz]"
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--rules", nargs="+", metavar="PATH", help="rule files or folders (default: alerts/rules)")
        which.add_argument("--rule", metavar="ID", help="one of the rules that come with Telara")
        parser.add_argument("--user", metavar="ID", help="readings of this person only")
        parser.add_argument("--since", type=_time, metavar="ISO", help="readings at or after this time only")
        parser.add_argument("--until", type=_time, metavar="ISO", help="readings before this time only")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *_args: Any, **options: Any) -> None:
        rules = _rules(options["rules"], options["rule"])
        try:
            readings = read_readings(options["readings"])
        except ReadingsFileError as error:
            raise CommandError(str(error)) from error
        self._say_refused(readings)
        findings = backtest(rules, _chosen(readings.frame, options["user"], options["since"], options["until"]))
        for line in _lines(findings) if options["json"] else _table(findings):
            self.stdout.write(line)

    def _say_refused(self, readings: Readings) -> None:
        for reason, count in readings.refused.items():
            self.stderr.write(f"{count:,} rows refused: {reason}")


def _time(text: str) -> datetime:
    """ISO 8601; without an offset it is UTC."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _rules(paths: list[str] | None, rule_id: str | None) -> list[Rule]:
    rules, problems = read_rules(paths or (), windows=True)
    if problems:
        raise CommandError("\n".join(map(str, problems)))
    chosen = [rule for rule in rules if rule_id in (None, rule.id)]
    if not chosen:
        raise CommandError(f"There is no rule {rule_id}; there are {', '.join(rule.id for rule in rules)}.")
    return chosen


def _chosen(frame: pl.DataFrame, user: str | None, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    if user is not None:
        frame = frame.filter(pl.col("user_id") == user)
    if since is not None:
        frame = frame.filter(pl.col("recorded_at") >= since)
    if until is not None:
        frame = frame.filter(pl.col("recorded_at") < until)
    return frame


def _lines(findings: list[Finding]) -> list[str]:
    return [json.dumps(finding.as_json()) for finding in findings]


def _table(findings: list[Finding]) -> list[str]:
    rows = [_COLUMNS, *map(_cells, findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, f"{len(findings):,} episodes"]


def _cells(finding: Finding) -> tuple[str, ...]:
    episode = finding.episode
    times = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (episode.started_at, episode.opened_at, episode.ended_at))
    averages = ", ".join(f"{name} {measure.avg:.1f}" for name, measure in episode.measures.items())
    return (finding.rule.id, finding.user_id, *times, f"{episode.event_count:,}", averages, episode.end)
