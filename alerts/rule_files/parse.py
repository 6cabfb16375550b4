"""One rule from its YAML text: every mistake named with its place, and the rule where there is none."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, TypeVar

import yaml

from alerts.engine.clock import duration
from alerts.engine.language import Condition, judge, judge_clear
from alerts.engine.rule import (
    DEFAULT_COOLDOWN,
    PIPELINE_EVENTS,
    RULE_CLASSES,
    SEVERITIES,
    AbsenceRule,
    AnyRule,
    Clear,
    PipelineRule,
    Rule,
    Sustained,
)
from alerts.engine.source import COLUMNS, Column, Source, Window, columns_of
from alerts.rule_files.document import DocumentError, place_in, read_document
from alerts.rule_files.fields import (
    ALERT_TYPE,
    ID,
    FieldError,
    Over,
    as_absence,
    as_condition,
    as_count,
    as_duration,
    as_factor,
    as_measure,
    as_positive,
    as_source,
    as_text,
    as_title,
    matching,
    one_of,
    placed,
    value_at,
)
from alerts.rule_files.problem import Problem

T = TypeVar("T")

MOST_PROBLEMS: Final = 50

KEYS: Final = (
    "id", "alert_type", "title", "severity", "class", "over", "when", "sustained", "max_gap", "clear", "factor",
    "at_least", "event", "cooldown", "measures", "replaces", "description", "falsepositives", "references",
)  # fmt: skip
SUSTAINED_KEYS: Final = ("count", "within", "for")
CLEAR_KEYS: Final = ("when", "count")
REQUIRED: Final = ("id", "alert_type", "title", "severity", "over")
REQUIRED_OF_ROWS: Final = ("when", "max_gap")
OF_ABSENCE: Final = ("factor", "at_least")  # what a rule over absence alone says, all of it
OF_PIPELINE: Final = ("event", "max_gap")  # what a rule over the pipeline says, all of it
# What a rule of each kind may not say, and why.
_ABSENCE_ALONE: Final = "it belongs to rules over absence alone"
_PIPELINE_ALONE: Final = "it belongs to rules over the pipeline alone"
NOT_OF_ROWS: Final = dict.fromkeys(OF_ABSENCE, _ABSENCE_ALONE) | {"event": _PIPELINE_ALONE}
NOT_OF_ABSENCE: Final = {"event": _PIPELINE_ALONE} | dict.fromkeys(
    ("when", "sustained", "max_gap", "clear", "measures"), "a rule over absence has factor and at_least in its place"
)
NOT_OF_PIPELINE: Final = dict.fromkeys(OF_ABSENCE, _ABSENCE_ALONE) | dict.fromkeys(
    ("when", "sustained", "clear", "measures"), "a rule over the pipeline has event and max_gap in its place"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Either the rule, or what is wrong with the text."""

    rule: AnyRule | None
    problems: tuple[Problem, ...]


def parse_rule(text: str, *, path: str = "rule", version: int = 1, judged: bool = True) -> Parsed:
    """The rule of a YAML text; `path` is what problems call it. Beyond 50 problems it is read no further.

    Conditions that can never be TRUE, or never FALSE, items that are given twice, and characters that no text may hold
    are problems too, unless `judged` is off: what is stored already is read as it was meant then.
    """
    try:
        node = read_document(text, mended=not judged)
    except DocumentError as error:
        return Parsed(None, (Problem(path, error.line, error.column, error.message),))
    reader = _Reader(path, judged=judged)
    rule: AnyRule | None = None
    with suppress(_EnoughError):
        rule = reader.rule(node, version)
    problems = tuple(sorted(reader.problems))
    return Parsed(None if problems else rule, problems)


class _EnoughError(Exception):
    """There are as many problems as anybody reads."""


class _Reader:
    """Gathers the problems of one document."""

    def __init__(self, path: str, *, judged: bool) -> None:
        self.path = path
        self.judged = judged
        self.problems: list[Problem] = []

    def rule(self, node: yaml.MappingNode, version: int) -> AnyRule | None:
        fields = self.mapping(node, KEYS, REQUIRED)
        rule_id = self.read(fields, "id", matching(ID, "lower-case words joined by '-', at most 64 characters"))
        alert_type = self.read(fields, "alert_type", matching(ALERT_TYPE, "UPPER_CASE words joined by '_'"))
        title = self.read(fields, "title", as_title)
        severity = self.read(fields, "severity", one_of(SEVERITIES))
        over = self.read(fields, "over", as_source)
        looks = self.looks(node, fields, over)
        cooldown = self.read(fields, "cooldown", as_duration)
        replaces = self.read(fields, "replaces", matching(ID, "the id of another rule"))
        if replaces is not None and replaces == rule_id:
            self.problem(fields["replaces"], "a rule cannot replace itself")
        said: dict[str, Any] = {
            "rule_class": self.read(fields, "class", one_of(RULE_CLASSES)) or "clinical",
            "cooldown": DEFAULT_COOLDOWN if cooldown is None else cooldown,
            "replaces": replaces,
            "description": self.read(fields, "description", as_text) or "",
            "falsepositives": self.items(fields.get("falsepositives"), as_text),
            "references": self.items(fields.get("references"), as_text),
        }
        if not (rule_id and alert_type and title and severity and looks):
            return None
        said |= {"id": rule_id, "alert_type": alert_type, "title": title, "severity": severity, "version": version}
        kind: type[AnyRule] = {"absence": AbsenceRule, "pipeline": PipelineRule}.get(str(over), Rule)
        return kind(**said, **looks)

    def looks(self, node: yaml.MappingNode, fields: dict[str, yaml.Node], over: Over | None) -> dict[str, Any] | None:
        """What it looks at, and for what; None where it does not say enough. Of one that does not say at what (None)
        any column may be."""
        if over == "absence":
            return self.absence(node, fields)
        return self.pipeline(node, fields) if over == "pipeline" else self.rows(node, fields, over)

    def rows(self, node: yaml.MappingNode, fields: dict[str, yaml.Node], over: Source | None) -> dict[str, Any] | None:
        """What a rule over rows says of them; None where it does not say enough."""
        self.choose(node, fields, REQUIRED_OF_ROWS, NOT_OF_ROWS)
        columns = COLUMNS if over is None else columns_of(over)
        when = self.read(fields, "when", partial(as_condition, columns=columns))
        max_gap = self.read(fields, "max_gap", as_positive)
        sustained = self.sustained(fields.get("sustained"))
        clear = self.clear(fields.get("clear"), columns)
        if self.judged and when:
            self.judge(fields, when, clear)
        if self.judged and max_gap and isinstance(over, Window):
            self.judge_run(fields, over, sustained, max_gap)
        measures = self.items(fields.get("measures"), partial(as_measure, columns=columns))
        if not (when and max_gap):
            return None
        return {
            "when": when, "max_gap": max_gap, "over": over, "sustained": sustained, "clear": clear,
            "measures": measures,
        }  # fmt: skip

    def absence(self, node: yaml.MappingNode, fields: dict[str, yaml.Node]) -> dict[str, Any] | None:
        """What a rule over absence says of it; None where it does not say enough."""
        self.choose(node, fields, OF_ABSENCE, NOT_OF_ABSENCE)
        factor = self.read(fields, "factor", as_factor)
        at_least = self.read(fields, "at_least", as_absence)
        return {"factor": factor, "at_least": at_least} if factor and at_least else None

    def pipeline(self, node: yaml.MappingNode, fields: dict[str, yaml.Node]) -> dict[str, Any] | None:
        """What a rule over the pipeline says of it; None where it does not say enough."""
        self.choose(node, fields, OF_PIPELINE, NOT_OF_PIPELINE)
        event = self.read(fields, "event", one_of(PIPELINE_EVENTS))
        max_gap = self.read(fields, "max_gap", as_positive)
        if "class" not in fields or fields["class"].value != "technical":
            self.problem(fields.get("class", node), "a rule over the pipeline is of the class technical")
        return {"event": event, "max_gap": max_gap} if event and max_gap else None

    def choose(
        self,
        node: yaml.MappingNode,
        fields: dict[str, yaml.Node],
        required: tuple[str, ...],
        refused: Mapping[str, str],
    ) -> None:
        """What the kind of the rule needs, and what it has no use for."""
        for key in required:
            if key not in fields:
                self.problem(node, f"{key} is missing")
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value in refused:
                self.problem(key_node, f"{key_node.value}: {refused[key_node.value]}")

    def sustained(self, node: yaml.Node | None) -> Sustained:
        fields = self.nested(node, SUSTAINED_KEYS, ())
        count = self.read(fields, "count", as_count) or 1
        within = self.read(fields, "within", as_positive)
        lasting = self.read(fields, "for", as_duration) or timedelta(0)
        if within is not None and count == 1 and "count" not in fields:
            self.problem(fields["within"], "within needs a count: {count: 5, within: 60s}")
        return Sustained(count, within, lasting)

    def clear(self, node: yaml.Node | None, columns: Mapping[str, Column]) -> Clear | None:
        if node is None:
            return None
        fields = self.nested(node, CLEAR_KEYS, ("when",))
        when = self.read(fields, "when", partial(as_condition, columns=columns))
        count = self.read(fields, "count", as_count) or 1
        return Clear(when, count) if when else None

    def judge(self, fields: dict[str, yaml.Node], when: Condition, clear: Clear | None) -> None:
        """Conditions that could as well not be there."""
        with self.gathering(), placed(fields["when"]):
            judge(when)
        if clear:
            with self.gathering(), placed(value_at(fields["clear"], "when")):
                judge_clear(clear.when, when)

    def judge_run(self, fields: dict[str, yaml.Node], over: Window, sustained: Sustained, max_gap: timedelta) -> None:
        """Windows of which no run could be long enough: they end `every` apart."""
        every, count = over.every, sustained.count
        if max_gap < every and (count > 1 or sustained.lasting):
            said = f"windows end {duration(every)} apart: with a gap of {duration(max_gap)} no run has two"
            self.problem(fields["max_gap"], said)
        if sustained.within is not None and sustained.within < (count - 1) * every:
            said = f"windows end {duration(every)} apart: {count} of them never lie within {duration(sustained.within)}"
            self.problem(value_at(fields["sustained"], "within"), said)

    def nested(self, node: yaml.Node | None, keys: tuple[str, ...], required: tuple[str, ...]) -> dict[str, yaml.Node]:
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"a mapping of {', '.join(keys)} is needed here")
            return {}
        return self.mapping(node, keys, required)

    def mapping(self, node: yaml.MappingNode, keys: tuple[str, ...], required: tuple[str, ...]) -> dict[str, yaml.Node]:
        """The values by key; unknown, repeated and missing keys are problems."""
        fields: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key not in keys:
                near = get_close_matches(str(key), keys, n=1)
                self.problem(key_node, f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else ""))
            elif key in fields:
                self.problem(key_node, f"{key} is given twice")
            else:
                fields[key] = value
        for key in required:
            if key not in fields:
                self.problem(node, f"{key} is missing")
        return fields

    def read(self, fields: dict[str, yaml.Node], key: str, convert: Callable[[yaml.Node], T]) -> T | None:
        node = fields.get(key)
        if node is not None:
            with self.gathering():
                return convert(node)
        return None

    def items(self, node: yaml.Node | None, convert: Callable[[yaml.Node], T]) -> tuple[T, ...]:
        """What a list says. What is given twice is a problem; of what is stored already it counts once."""
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.problem(node, "a list is needed here: [...]")
            return ()
        found: dict[T, None] = {}
        for item in node.value:
            with self.gathering():
                value = convert(item)
                if value in found and self.judged:
                    raise FieldError(item, f"{value!r} is given twice")
                found[value] = None
        return tuple(found)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        try:
            yield
        except FieldError as found:
            self.problem(found.node, found.message, found.offset)

    def problem(self, node: yaml.Node, message: str, offset: int | None = None) -> None:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if offset is not None and isinstance(node, yaml.ScalarNode):
            line, column = place_in(node, offset)
        self.problems.append(Problem(self.path, line, column, message))
        if len(self.problems) == MOST_PROBLEMS:
            raise _EnoughError
