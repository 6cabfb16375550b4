"""A rule as YAML text, which reads back as the same rule."""

from typing import Any

import yaml

from alerts.engine.clock import duration
from alerts.engine.rule import DEFAULT_COOLDOWN, Rule


def write_rule(rule: Rule) -> str:
    """The shortest text that says all of the rule: defaults are left out."""
    document: dict[str, Any] = {
        "id": rule.id,
        "alert_type": rule.alert_type,
        "title": rule.title,
        "severity": rule.severity,
        "class": rule.rule_class if rule.rule_class != "clinical" else None,
        "over": str(rule.over),
        "when": rule.when.text,
        "sustained": _sustained(rule),
        "max_gap": duration(rule.max_gap),
        "clear": {"when": rule.clear.when.text, "count": rule.clear.count} if rule.clear else None,
        "cooldown": duration(rule.cooldown) if rule.cooldown != DEFAULT_COOLDOWN else None,
        "measures": list(rule.measures),
        "replaces": rule.replaces,
        "description": rule.description,
        "falsepositives": list(rule.falsepositives),
        "references": list(rule.references),
    }
    said = {key: value for key, value in document.items() if value}
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=110)


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
