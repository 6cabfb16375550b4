"""Rules from files and folders, and what only shows when they stand side by side."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from alerts.engine.rule import SEVERITIES, AnyRule
from alerts.rule_files.document import read_document
from alerts.rule_files.parse import parse_rule
from alerts.rule_files.problem import Problem

DEFAULT_FOLDER: Final = Path(__file__).resolve().parent.parent / "rules"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule, the YAML text it came from, and the file."""

    rule: AnyRule
    source: str
    path: str


def read_rules(paths: Iterable[str | Path] = ()) -> tuple[list[AnyRule], list[Problem]]:
    """The rules of these files and folders (default: those that come with Telara), and every problem in them."""
    files, problems = read_rule_files(paths)
    return [file.rule for file in files], problems


def read_rule_files(paths: Iterable[str | Path] = ()) -> tuple[list[RuleFile], list[Problem]]:
    """As `read_rules`, with the text of each."""
    files: list[RuleFile] = []
    problems: list[Problem] = []
    for path in _files([Path(path) for path in paths] or [DEFAULT_FOLDER], problems):
        try:
            source = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            problems.append(Problem(str(path), 1, 1, f"cannot be read: {reason}"))
            continue
        parsed = parse_rule(source, path=str(path))
        problems.extend(parsed.problems)
        if parsed.rule:
            files.append(RuleFile(parsed.rule, source, str(path)))
    problems.extend(_conflicts(files))
    return files, problems


def _files(paths: list[Path], problems: list[Problem]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(entry for entry in path.iterdir() if entry.suffix in (".yaml", ".yml"))
        if not found:
            problems.append(Problem(str(path), 1, 1, "no rules here: a rule is a file *.yaml"))
        yield from found


def _conflicts(files: list[RuleFile]) -> Iterator[Problem]:
    """Two files with one id, and critical forms that replace a rule of another alert_type, or one that is as grave."""
    by_id: dict[str, RuleFile] = {}
    for file in files:
        other = by_id.setdefault(file.rule.id, file)
        if other is not file:
            yield problem_at(file, "id", f"{file.rule.id} is also the id of {other.path}")
    for file in files:
        replaced = by_id.get(file.rule.replaces or "")
        if replaced is None:
            continue
        name, alert_type, severity = replaced.rule.id, replaced.rule.alert_type, replaced.rule.severity
        if alert_type != file.rule.alert_type:
            yield problem_at(file, "replaces", f"{name} has another alert_type: {alert_type}")
        elif SEVERITIES.index(file.rule.severity) >= SEVERITIES.index(severity):
            yield problem_at(file, "replaces", f"{name} is {severity}, and a critical form is graver")


def unknown_replaced(files: Iterable[RuleFile]) -> list[Problem]:
    """Critical forms of rules that neither stand beside them nor come with Telara: nobody would see them replaced."""
    files = list(files)
    known = {file.rule.id for file in (*files, *read_rule_files()[0])}
    return [
        problem_at(file, "replaces", f"there is no rule {file.rule.replaces}" + _meant(file.rule.replaces, known))
        for file in files
        if file.rule.replaces and file.rule.replaces not in known
    ]


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def problem_at(file: RuleFile, key: str, message: str) -> Problem:
    """A problem of what stands at a top-level key, which the text of a rule that was read has."""
    mark = next(value.start_mark for name, value in read_document(file.source).value if name.value == key)
    return Problem(file.path, mark.line + 1, mark.column + 1, message)
