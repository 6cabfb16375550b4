"""`manage.py backtest`: the episodes that rules find, over stored history or in files of readings."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from django.core.management.base import BaseCommand, CommandError

from alerts.backtest import Finding, backtest, no_history
from alerts.engine import AnyRule, Rule
from alerts.engine.rule import over_rows
from alerts.rule_files import read_rules
from devices.metrics import BASELINED
from devices.readings_file import ReadingsFileError, read_readings

if TYPE_CHECKING:
    from alerts.backtest_stored import Outcome, RuleSummary

_COLUMNS = ("rule", "user", "started", "opened", "ended", "rows", "averages", "end")


class Command(BaseCommand):
    help = (
        "Print the episodes that rules find: in the stored readings, or with --readings in files, without a database. "
        "Over stored readings the rules are those of the database that are enabled, unless others are named; how they "
        "compare with the alerts that exist, and with the present version of a rule that was changed, goes to stderr."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--readings", nargs="+", type=Path, metavar="FILE", help=".csv[.gz], .ndjson[.gz]")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--rules", nargs="+", metavar="PATH", help="rule files or folders")
        which.add_argument("--rule", metavar="ID", help="one rule of the database; with --readings of alerts/rules")
        parser.add_argument("--user", metavar="ID", help="readings of this person only")
        parser.add_argument("--since", type=_time, metavar="ISO", help="readings at or after this time only")
        parser.add_argument("--until", type=_time, metavar="ISO", help="readings before this time only")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = self._in_files(options) if options["readings"] else self._stored(options)
        for line in _lines(findings) if options["json"] else _table(findings):
            self.stdout.write(line)

    def _in_files(self, options: dict[str, Any]) -> list[Finding]:
        rules = self._over_rows(_rules(options["rules"], options["rule"]))
        try:
            readings = read_readings(options["readings"])
        except ReadingsFileError as error:
            raise CommandError(str(error)) from error
        for reason, count in readings.refused.items():
            self.stderr.write(f"{count:,} rows refused: {reason}")
        if against_usual := ", ".join(_against_usual(rules)):
            self.stderr.write(f"always NULL, since files hold no baselines: {against_usual}")
        return backtest(rules, _chosen(readings.frame, options["user"], options["since"], options["until"]))

    def _stored(self, options: dict[str, Any]) -> list[Finding]:
        from alerts.backtest_stored import backtest_stored
        from alerts.rule_versions import UnreadableRuleError
        from alerts.stored_history import Scope

        rules = self._over_rows(_rules(options["rules"], None) if options["rules"] else _stored_rules(options["rule"]))
        scope = Scope(_people(options["user"]), options["since"], options["until"])
        try:
            outcome = backtest_stored(rules=rules, scope=scope)
        except UnreadableRuleError as error:
            raise CommandError(
                f"the present version cannot be read by this release, to compare with: {error}"
            ) from error
        for line in _summary(outcome):
            self.stderr.write(line)
        return outcome.findings

    def _over_rows(self, rules: Sequence[AnyRule]) -> list[Rule]:
        """Those that can be tried on the past; the others are named. Raises CommandError where none is left."""
        found, others = over_rows(rules), defaultdict(list)
        for rule in rules:
            if not isinstance(rule, Rule):
                others[no_history(rule)].append(rule.id)
        for why, names in others.items():
            if not found:
                raise CommandError(f"{', '.join(names)}: {why}.")
            self.stderr.write(f"left out {', '.join(names)}: {why}")
        return found


def _time(text: str) -> datetime:
    """ISO 8601; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no time: write it as 2026-03-01T12:00:00Z") from None


def _rules(paths: list[str] | None, rule_id: str | None) -> list[AnyRule]:
    rules, problems = read_rules(paths or ())
    if problems:
        raise CommandError("\n".join(map(str, problems)))
    return _one(rules, rule_id)


def _against_usual(rules: list[Rule]) -> list[str]:
    distances = {f"{name}_z" for name in BASELINED}
    return sorted({column for rule in rules for column in rule.columns if column in distances})


def _stored_rules(rule_id: str | None) -> list[AnyRule]:
    from alerts.backtest_stored import present_rules
    from alerts.rule_versions import UnreadableRuleError

    try:
        rules = present_rules(rule_id=rule_id)
        return rules if rules and rule_id else _one(present_rules(), rule_id)
    except UnreadableRuleError as error:
        raise CommandError(str(error)) from error


def _one(rules: list[AnyRule], rule_id: str | None) -> list[AnyRule]:
    chosen = [rule for rule in rules if rule_id in (None, rule.id)]
    if not rules:
        raise CommandError("There are no rules in the database: load some with load_rules, or name files by --rules.")
    if not chosen:
        raise CommandError(f"There is no rule {rule_id}; there are {', '.join(rule.id for rule in rules)}.")
    return chosen


def _people(user_id: str | None) -> dict[int, str]:
    from devices.models import User

    people = User.objects.all() if user_id is None else User.objects.filter(username=user_id)
    found = dict(people.values_list("pk", "username"))
    if user_id is not None and not found:
        raise CommandError(f"There is no wearer {user_id}.")
    return found


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
    return [*_aligned([_COLUMNS, *map(_cells, findings)]), f"{len(findings):,} episodes"]


def _cells(finding: Finding) -> tuple[str, ...]:
    episode = finding.episode
    times = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (episode.started_at, episode.opened_at, episode.ended_at))
    averages = ", ".join(f"{name} {measure.avg:.1f}" for name, measure in episode.measures.items())
    return (finding.rule.id, finding.user_id, *times, f"{episode.event_count:,}", averages, episode.end)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _summary(outcome: "Outcome") -> list[str]:
    seen = outcome.seen
    heard = f"{seen.readings:,} readings, {seen.people:,} people, {seen.person_days:,.1f} person-days"
    return [heard, *_aligned([_SUMMARY, *map(_summed, outcome.summaries)])]


_SUMMARY = ("rule", "episodes", "per person-day", "overlap an alert", "alerts", "alerts lost", "against now")


def _summed(summary: "RuleSummary") -> tuple[str, ...]:
    often = "" if summary.per_person_day is None else f"{summary.per_person_day:.2f}"
    counts = (f"{count:,}" for count in (len(summary.overlapping), summary.alerts, summary.alerts_lost))
    return (summary.rule_id, f"{summary.episodes:,}", often, *counts, _against(summary))


def _against(summary: "RuleSummary") -> str:
    if summary.present_version is None:
        return "a new rule"
    now, different = f"version {summary.present_version}", summary.difference
    if different is None:
        return f"{now}: the same"
    counts = f"only new {len(different.only_new):,}, only old {len(different.only_old):,}, both {len(different.both):,}"
    return f"{now}: {counts}"
