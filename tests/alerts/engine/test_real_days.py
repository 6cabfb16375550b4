"""Two real days, as they might arrive: the episodes are those of the expected file, every field."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from alerts.engine import Rule, RuleSet, advance, new_person, resume
from alerts.rule_files import read_rules
from devices.readings_file import read_readings
from tests.alerts.engine.shell import Shell

DATA = Path(__file__).parents[2] / "data"
RULES = read_rules([DATA / "fitbit-rules"])[0]


def rows() -> pl.DataFrame:
    frame = read_readings([DATA / "fitbit-days.csv.gz"], all_ids=True).frame
    return frame.with_columns(pl.lit(1, pl.Int64).alias("user_id"), received_at=pl.col("recorded_at"))


def shuffled(frame: pl.DataFrame, reach_s: int) -> pl.DataFrame:
    delay = np.random.default_rng(reach_s).integers(0, reach_s * 1_000_000 + 1, frame.height)
    arrival = frame["recorded_at"] + pl.Series(delay).cast(pl.Duration("us"))
    return frame.with_columns(arrival.alias("arrival")).sort("arrival").drop("arrival")


def expected(rule: Rule) -> list[tuple[str, ...]]:
    name = rule.id.replace("-", "_")
    lines = csv.DictReader((DATA / "fitbit-days-expected.csv").open())
    return [tuple(row.values())[2:] for row in lines if row["rule"] == name]


def play(rule: Rule, frame: pl.DataFrame, size: int, crash_after: int | None = None) -> list[tuple[str, ...]]:
    """What stands after the frame came in batches of `size`, the state being lost once."""
    shell = Shell(rule)
    rules, states = RuleSet([rule]), {}
    for number, at in enumerate(range(0, frame.height, size)):
        step = advance(rules, states, frame[at : at + size])
        if step.unreached:
            known = frame[: at + size]
            start = resume(rules, {rule.key: known["recorded_at"].min()}) if at else new_person(rules)
            step = advance(rules, {1: start}, known)
        for stretch in step.stretches:
            shell.write(stretch)
        states = {} if number == crash_after else step.states
    return [
        (
            *(f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (each.started_at, each.opened_at, each.ended_at)),
            str(each.event_count),
            f"{each.measures['heart_rate'].avg:.4f}",
            each.end,
        )
        for each in shell.standing
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
@pytest.mark.parametrize(("reach_s", "size"), [(0, 10_000), (0, 100), (600, 100), (600, 1_000), (20_000, 700)])
def test_the_episodes_are_the_same_in_any_order_and_any_batches(rule: Rule, reach_s: int, size: int) -> None:
    assert play(rule, shuffled(rows(), reach_s), size) == expected(rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_episodes_are_the_same_after_a_crash(rule: Rule) -> None:
    assert play(rule, rows(), 100, crash_after=30) == expected(rule)


def test_there_is_something_to_find() -> None:
    assert sum(len(expected(rule)) for rule in RULES) == 12
