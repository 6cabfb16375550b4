"""docs/security.md: every threat names the tests that hold it, and they are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def threats() -> list[str]:
    """The rows of the tables under "Threats", without their headings."""
    rows = TEXT.partition("## Threats")[2].partition("## What is not held")[0].splitlines()
    return [row for row in rows if row.startswith("|") and not row.startswith(("| Threat", "|---"))]


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_it_has_threats_of_every_kind() -> None:
    kinds = re.findall(r"^### (\w+)", TEXT, re.MULTILINE)
    assert kinds == ["Spoofing", "Tampering", "Repudiation", "Information", "Denial", "Elevation"]
    assert len(threats()) > 30


@pytest.mark.parametrize("row", threats(), ids=lambda row: row.split("|")[1].strip())
def test_every_threat_is_held_by_tests_that_are_there(row: str) -> None:
    assert len(row.split(" | ")) == 3
    links = LINK.findall(row)
    assert links, "no test is linked"
    assert len(links) == row.count("](")
    for name, path in links:
        assert (ROOT / path).is_file(), path
        assert name in names_in(path), f"{path} has no {name}"
