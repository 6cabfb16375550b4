"""A rule as YAML text, which reads back as the same rule."""

from datetime import timedelta
from typing import Any

import yaml

from alerts.engine.rule import DEFAULT_COOLDOWN, Rule


def write_rule(rule: Rule) -> str:
    """The shortest text that says all of the rule: defaults are left out."""
    document: dict[str, Any] = {
        "id": rule.id,
        "alert_type": rule.alert_type,
        "title": rule.title,
        "severity": rule.severity,
        "class": rule.rule_class if rule.rule_class != "clinical" else None,
        "over": rule.over,
        "when": rule.when.text,
        "sustained": _sustained(rule),
        "max_gap": _duration(rule.max_gap),
        "clear": {"when": rule.clear.when.text, "count": rule.clear.count} if rule.clear else None,
        "cooldown": _duration(rule.cooldown) if rule.cooldown != DEFAULT_COOLDOWN else None,
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
        said["within"] = _duration(sustained.within)
    if sustained.lasting:
        said["for"] = _duration(sustained.lasting)
    return said


def _duration(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
