"""`manage.py score_rules`: how well rules find what befalls simulated people."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from alerts.engine import PipelineRule
from alerts.rule_files import read_rules
from alerts.scoring import Score, Trial, score
from devices.simulator.grid import MAX_RATE_HZ

BEGIN: Final = "<!-- scores: written by manage.py score_rules --write -->"
END: Final = "<!-- end of scores -->"
_COLUMNS: Final = ("rule", "severity", "injected", "found", "recall", "false alarms per person-day", "median delay")


class Command(BaseCommand):
    help = (
        "Run rules over simulated people who have every anomaly of the simulator once a day, after a calm month, and "
        "print what each rule found (recall), how often it fired for nothing, and how long after the onset it opened. "
        "The same arguments give the same figures; no database is needed."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rules", nargs="+", metavar="PATH", help="rule files or folders (alerts/rules)")
        parser.add_argument("--wearers", type=int, default=20, metavar="N", help="user_001 to user_N (20)")
        parser.add_argument("--days", type=int, default=7, metavar="N", help="each anomaly is had once a day (7)")
        parser.add_argument("--rate", type=float, default=0.2, metavar="HZ", help="readings a second of each (0.2)")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed is other people (1)")
        parser.add_argument(
            "--write", type=Path, metavar="FILE", help="put the table into this file, between its marks"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        rules, problems = read_rules(options["rules"] or ())
        if problems:
            raise CommandError("\n".join(map(str, problems)))
        if options["wearers"] < 1 or options["days"] < 1 or not 0 < options["rate"] <= MAX_RATE_HZ:
            raise CommandError(f"It takes a wearer, a day, and a rate above 0 and up to {MAX_RATE_HZ:g} Hz.")
        trial = Trial(options["wearers"], options["days"], options["rate"], options["seed"])
        file: Path | None = options["write"]
        text = "" if file is None else _marked(file)
        scores = score([rule for rule in rules if not isinstance(rule, PipelineRule)], trial)
        if file is None:
            self.stdout.write("\n".join(_aligned([_COLUMNS, *map(_cells, scores)])))
            return
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        file.write_text(f"{before}{BEGIN}\n\n{_markdown(scores, trial)}\n{END}{after}", encoding="utf-8")
        self.stdout.write(f"{len(scores)} scores written to {file}")


def _marked(file: Path) -> str:
    """The text of a file that has the place for the table, once."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise CommandError(f"{file} has no place for the table: a line {BEGIN}, and behind it a line {END}")
    return text


def _cells(score: Score) -> tuple[str, ...]:
    recall = "" if score.recall is None else f"{100 * score.recall:.0f} %"
    delay = "" if score.median_delay_s is None else _length(score.median_delay_s)
    counts = (f"{score.injected:,}", f"{len(score.delays_s):,}")
    return (score.rule.id, score.rule.severity, *counts, recall, f"{score.false_alarms_a_day:.2f}", delay)


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _markdown(scores: Sequence[Score], trial: Trial) -> str:
    people, days, every = f"{trial.wearers:,}", f"{trial.days:,}", f"{1 / trial.hertz:g}"
    said = f"Simulated people: {people}; days: {days}; a reading every {every} s; seed: {trial.seed}."
    rows = (_COLUMNS, tuple("---" for _ in _COLUMNS), *map(_cells, scores))
    return "\n".join([said, "", *(f"| {' | '.join(row)} |" for row in rows), ""])
