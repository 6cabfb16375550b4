"""What docs/detection.md says of the rules that come with Telara is what their files say."""

import re
from pathlib import Path

from alerts.engine import PipelineRule, Rule
from alerts.engine.rule import over_rows
from alerts.management.commands.score_rules import BEGIN, END
from alerts.rule_files import read_rules

PAGE = Path("docs/detection.md").read_text(encoding="utf-8")
RULES = read_rules()[0]


def cells(rule_id: str) -> list[str]:
    """Of the rule's row in the table of rules."""
    (row,) = re.findall(rf"^\| `{rule_id}` \|(.*)\|$", PAGE, re.M)
    return [cell.strip() for cell in row.split("|")]


def test_every_default_rule_stands_in_the_table_with_its_rows_condition_and_severity() -> None:
    for rule in over_rows(RULES):
        over, condition, _, _, severity, sources = cells(rule.id)
        technical = ", technical" if rule.rule_class == "technical" else ""
        assert (over, severity) == (str(rule.over), f"{rule.severity}{technical}"), rule.id
        assert f"`{rule.when.text}`" in condition, rule.id
        assert sources, rule.id


def test_rules_over_no_rows_are_named() -> None:
    assert all(f"`{rule.id}`" in PAGE for rule in RULES if not isinstance(rule, Rule))


def test_every_rule_over_people_has_a_score() -> None:
    table = PAGE.split(BEGIN)[1].split(END)[0]
    rows = [row.split(" ")[1] for row in table.splitlines() if row.startswith("| ")]
    assert rows[2:] == [rule.id for rule in RULES if not isinstance(rule, PipelineRule)]
