"""What rules find in readings that are already there: the engine, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from alerts.engine import (
    Episode,
    Rule,
    RuleKey,
    RuleSet,
    Source,
    Stretch,
    Window,
    advance,
    complete_windows,
    new_person,
)
from alerts.engine.source import COLUMNS
from devices.times import rfc3339


@dataclass(frozen=True, slots=True)
class Finding:
    """An episode of a rule in a person's readings."""

    rule: RuleKey
    user_id: str
    episode: Episode

    def as_json(self) -> dict[str, Any]:
        """The object of `backtest --json` (contract)."""
        episode = self.episode
        return {
            "rule_id": self.rule.id,
            "user_id": self.user_id,
            "started_at": rfc3339(episode.started_at),
            "opened_at": rfc3339(episode.opened_at),
            "ended_at": rfc3339(episode.ended_at),
            "event_count": episode.event_count,
            "measures": {
                name: {"avg": measure.avg, "min": measure.low, "max": measure.high}
                for name, measure in episode.measures.items()
            },
            "end": episode.end,
        }


def backtest(rules: Sequence[Rule], readings: pl.DataFrame) -> list[Finding]:
    """The episodes of all people, sorted by rule, person and start.

    `readings` are those of `devices.readings_file`: `user_id` is text, and a null `event_id` is one that no order
    depends on.
    """
    people = readings["user_id"].unique().sort().to_list()
    numbers = {person: number for number, person in enumerate(people)}
    rows = readings.with_columns(
        pl.col("user_id").replace_strict(numbers, return_dtype=pl.Int64), pl.col("recorded_at").alias("received_at")
    )
    findings = [
        Finding(stretch.rule, people[stretch.user_id], episode)
        for source in dict.fromkeys(rule.over for rule in rules)
        for stretch in _stretches([rule for rule in rules if rule.over == source], source, rows)
        for episode in stretch.episodes
    ]
    return sorted(findings, key=lambda found: (found.rule, found.user_id, found.episode.started_at))


def _stretches(rules: Sequence[Rule], source: Source, readings: pl.DataFrame) -> list[Stretch]:
    """What rules over one source find in all readings of everybody."""
    ruleset = RuleSet(rules)
    rows = readings
    if isinstance(source, Window):
        read = (COLUMNS[column].metric for column in ruleset.columns)
        rows = complete_windows(readings, source, dict.fromkeys(metric.name for metric in read if metric))
    everybody = dict.fromkeys(readings["user_id"].unique(), new_person(ruleset))
    return advance(ruleset, everybody, rows).stretches
