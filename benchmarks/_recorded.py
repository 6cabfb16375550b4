"""What was measured before: every benchmark ends with what got worse since, and what misses its goal.

`recorded.json` holds each figure with the last recorded value, which direction is better, by what share it differs from
run to run, and its goal where it has one. `--record` writes what was measured there; `--strict` makes a figure that got
worse or misses its goal an error.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """A recorded figure."""

    value: float
    better: str  # "lower" or "higher"
    noise: float  # share of the value
    goal: float | None = None

    def is_worse(self, value: float) -> bool:
        """Than what was recorded, by more than it differs from run to run."""
        if self.better == "lower":
            return value > self.value * (1 + self.noise)
        return value < self.value * (1 - self.noise)

    def misses(self, value: float) -> bool:
        if self.goal is None:
            return False
        return value > self.goal if self.better == "lower" else value < self.goal


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line of a benchmark, from its module's docstring."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--record", action="store_true", help="write the figures into recorded.json")
    made.add_argument("--strict", action="store_true", help="fail where a figure got worse or misses its goal")
    return made


def compare(name: str, found: Mapping[str, float], options: argparse.Namespace) -> None:
    """Say what of `found` (of the benchmark `name`) got worse or misses its goal; nothing else is said."""
    recorded: dict[str, dict[str, dict[str, Any]]] = json.loads(FILE.read_text())
    figures = {key: Figure(**values) for key, values in recorded.get(name, {}).items()}
    said = list(complaints(figures, found))
    for line in said:
        print(f"!! {line}")
    if options.record:
        for key, value in found.items():
            recorded[name][key]["value"] = float(f"{value:.3g}")
        FILE.write_text(json.dumps(recorded, indent=2) + "\n")
    if said and options.strict:
        sys.exit(1)


def complaints(figures: Mapping[str, Figure], found: Mapping[str, float]) -> Iterable[str]:
    """A line for each figure that got worse, misses its goal, or is not known."""
    for key, value in found.items():
        figure = figures.get(key)
        if figure is None:
            yield f"{key}: {value:,.3g} is not in recorded.json"
        elif figure.is_worse(value):
            yield f"{key}: {value:,.3g} got worse, {figure.value:,.3g} is recorded ({figure.better} is better)"
        elif figure.misses(value):
            yield f"{key}: {value:,.3g} misses the goal of {figure.goal:,.3g}"
