"""The JSON Schema of rule files says what the parser says, as far as a shape can."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from jsonschema import Draft202012Validator

from alerts.rule_files import parse_rule
from alerts.rule_files.files import DEFAULT_FOLDER
from alerts.rule_files.schema import rule_schema, schema_text

KEPT = Path(__file__).parents[3] / "docs" / "rule.schema.json"
GOOD: dict[str, Any] = {
    "id": "fast", "alert_type": "FAST", "title": "Fast", "severity": "HIGH", "over": "reading",
    "when": "heart_rate > 100", "max_gap": "60s",
}  # fmt: skip
ABSENCE: dict[str, Any] = {
    "id": "silent", "alert_type": "SILENT", "title": "Silent", "severity": "LOW", "over": "absence",
    "factor": 3, "at_least": "2m",
}  # fmt: skip
PIPELINE: dict[str, Any] = {
    "id": "lost", "alert_type": "LOST", "title": "Lost", "severity": "HIGH", "class": "technical", "over": "pipeline",
    "event": "offset_gap", "max_gap": "10m",
}  # fmt: skip


def taken(rule: dict[str, Any]) -> tuple[bool, bool]:
    """By the schema, by the parser."""
    by_schema = Draft202012Validator(rule_schema()).is_valid(rule)
    return by_schema, parse_rule(yaml.safe_dump(rule)).rule is not None


def test_the_kept_one_is_current_and_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_rules", "--schema")
    assert capsys.readouterr().out == schema_text() == KEPT.read_text(encoding="utf-8")


def test_it_is_a_schema_and_takes_every_rule_that_comes_with_telara() -> None:
    Draft202012Validator.check_schema(rule_schema())
    for path in DEFAULT_FOLDER.glob("*.yaml"):
        Draft202012Validator(rule_schema()).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"class": "technical", "cooldown": "0s", "measures": ["heart_rate"], "replaces": "slow", "references": ["x"]},
        {"sustained": {"count": 5, "within": "60s", "for": "10m"}, "clear": {"when": "heart_rate < 95", "count": 3}},
        {"over": "window(10m)", "when": "avg_heart_rate > 100"},
        {"over": "window(1m, every 10s)", "when": "avg_heart_rate > 100"},
    ],
)
def test_both_take(change: dict[str, Any]) -> None:
    assert taken(GOOD | change) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Fast"},
        {"id": "f" * 65},
        {"alert_type": "fast"},
        {"title": "x" * 129},
        {"severity": "SEVERE"},
        {"class": "other"},
        {"over": "window"},
        {"when": "heart_rate > 1" + " " * 1_000},
        {"max_gap": "1 minute"},
        {"max_gap": 60},
        {"sustained": {"count": 0}},
        {"sustained": {"count": 1_001}},
        {"sustained": {"within": "60s"}},
        {"clear": {"count": 3}},
        {"clear": "heart_rate < 95"},
        {"measures": "heart_rate"},
        {"measures": ["heart_rate", "heart_rate"]},
        {"sevrity": "HIGH"},
        {"factor": 3},
        {"at_least": "2m"},
        {"event": "offset_gap"},
    ],
)
def test_both_refuse(change: dict[str, Any]) -> None:
    assert taken(GOOD | change) == (False, False)


@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        ({}, True),
        ({"factor": 1.5, "at_least": "7d", "cooldown": "0s", "replaces": "other"}, True),
        ({"factor": 1}, False),
        ({"factor": 1_001}, False),
        ({"factor": "many"}, False),
        ({"at_least": "soon"}, False),
        ({"when": "heart_rate > 100"}, False),
        ({"sustained": {"count": 2}}, False),
        ({"max_gap": "60s"}, False),
        ({"clear": {"when": "heart_rate < 95"}}, False),
        ({"measures": ["heart_rate"]}, False),
    ],
)
def test_both_say_the_same_of_a_rule_over_absence(change: dict[str, Any], is_taken: bool) -> None:
    assert taken(ABSENCE | change) == (is_taken, is_taken)


@pytest.mark.parametrize("missing", ["factor", "at_least"])
def test_both_miss_what_a_rule_over_absence_needs(missing: str) -> None:
    assert taken({key: value for key, value in ABSENCE.items() if key != missing}) == (False, False)


@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        ({"event": "split_person", "cooldown": "0s"}, True),
        ({"event": "fire"}, False),
        ({"class": "clinical"}, False),
        ({"when": "heart_rate > 100"}, False),
        ({"measures": ["heart_rate"]}, False),
        ({"factor": 3}, False),
    ],
)
def test_both_say_the_same_of_a_rule_over_the_pipeline(change: dict[str, Any], is_taken: bool) -> None:
    assert taken(PIPELINE | change) == (is_taken, is_taken)


@pytest.mark.parametrize("missing", ["event", "max_gap", "class"])
def test_both_miss_what_a_rule_over_the_pipeline_needs(missing: str) -> None:
    assert taken({key: value for key, value in PIPELINE.items() if key != missing}) == (False, False)


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_both_miss(missing: str) -> None:
    assert taken({key: value for key, value in GOOD.items() if key != missing}) == (False, False)
