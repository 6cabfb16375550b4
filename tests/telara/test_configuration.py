"""The README's table of the environment is the settings' own."""

import ast
import re

from telara.embedded.checkout import ROOT


def read_by_settings() -> list[str]:
    """Every variable that settings.py asks the environment for; `NAME_...` where it takes all that begin with it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / "telara/settings.py").read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "env":
            found.add(ast.literal_eval(node.args[0]))
        elif node.func.attr == "startswith" and isinstance(node.args[0], ast.Tuple):
            found |= {f"{start}..." for start in ast.literal_eval(node.args[0]) if start.isupper()}
    return sorted(found)


def told_by_the_readme() -> list[str]:
    """The names in the first column of its configuration table, as often as they stand there."""
    section = (ROOT / "README.md").read_text().split("\n## Configuration\n")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row))


def test_the_readme_names_each_variable_once_and_no_other() -> None:
    assert len(read_by_settings()) > 30
    assert told_by_the_readme() == read_by_settings()
