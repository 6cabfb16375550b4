"""A rule as YAML text, which reads back as the same rule."""

from typing import Any

import yaml

from alerts.engine.clock import duration
from alerts.engine.rule import DEFAULT_COOLDOWN, AbsenceRule, AnyRule, PipelineRule, Rule


def write_rule(rule: AnyRule) -> str:
    """The shortest text that says all of the rule: defaults are left out."""
    document: dict[str, Any] = {
        "id": rule.id,
        "alert_type": rule.alert_type,
        "title": rule.title,
        "severity": rule.severity,
        "class": rule.rule_class if rule.rule_class != "clinical" else None,
        **_looks(rule),
        "cooldown": duration(rule.cooldown) if rule.cooldown != DEFAULT_COOLDOWN else None,
        "measures": list(rule.measures) if isinstance(rule, Rule) else None,
        "replaces": rule.replaces,
        "description": rule.description,
        "falsepositives": list(rule.falsepositives),
        "references": list(rule.references),
    }
    said = {key: value for key, value in document.items() if value}
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=110)


def _looks(rule: AnyRule) -> dict[str, Any]:
    if isinstance(rule, Rule):
        return _rows(rule)
    return _absence(rule) if isinstance(rule, AbsenceRule) else _pipeline(rule)


def _pipeline(rule: PipelineRule) -> dict[str, Any]:
    return {"over": "pipeline", "event": rule.event, "max_gap": duration(rule.max_gap)}


def _rows(rule: Rule) -> dict[str, Any]:
    return {
        "over": str(rule.over),
        "when": rule.when.text,
        "sustained": _sustained(rule),
        "max_gap": duration(rule.max_gap),
        "clear": {"when": rule.clear.when.text, "count": rule.clear.count} if rule.clear else None,
    }


def _absence(rule: AbsenceRule) -> dict[str, Any]:
    factor = int(rule.factor) if rule.factor.is_integer() else rule.factor
    return {"over": "absence", "factor": factor, "at_least": duration(rule.at_least)}


def _sustained(rule: Rule) -> dict[str, Any]:
    sustained = rule.sustained
    said: dict[str, Any] = {}
    if sustained.count > 1 or sustained.within:
        said["count"] = sustained.count
    if sustained.within:
        said["within"] = duration(sustained.within)
    if sustained.lasting:
        said["for"] = duration(sustained.lasting)
    return said
