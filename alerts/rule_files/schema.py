"""The JSON Schema of rule files, for editors: made of the parser's own keys, patterns and choices.

It says what a shape can say. What a condition means, and how rules stand to each other, is for `check_rules`.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from alerts.engine.language import MAX_CHARACTERS
from alerts.engine.rule import MAX_COUNT, MAX_FACTOR, PIPELINE_EVENTS, RULE_CLASSES, SEVERITIES
from alerts.rule_files.fields import ALERT_TYPE, DURATION, ID, LONGEST_NAME, LONGEST_TITLE, WINDOW
from alerts.rule_files.parse import (
    CLEAR_KEYS,
    KEYS,
    NOT_OF_ABSENCE,
    NOT_OF_PIPELINE,
    NOT_OF_ROWS,
    OF_ABSENCE,
    OF_PIPELINE,
    REQUIRED,
    REQUIRED_OF_ROWS,
    SUSTAINED_KEYS,
)
from devices.metrics import NUMERIC

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def rule_schema() -> dict[str, Any]:
    """The schema as JSON's own types."""
    properties = _properties()
    return {
        "$schema": _DIALECT,
        "title": "Telara rule",
        "description": "Which rows, which condition, sustained how, cleared how; `check_rules` says the rest.",
        **_mapping({key: properties[key] for key in KEYS}, REQUIRED),
        "if": {"properties": {"over": {"const": "absence"}}, "required": ["over"]},
        "then": _kind(OF_ABSENCE, NOT_OF_ABSENCE),
        "else": {
            "if": {"properties": {"over": {"const": "pipeline"}}, "required": ["over"]},
            "then": _technical(_kind((*OF_PIPELINE, "class"), NOT_OF_PIPELINE)),
            "else": _kind(REQUIRED_OF_ROWS, NOT_OF_ROWS),
        },
    }


def schema_text() -> str:
    """The schema as `docs/rule.schema.json` holds it."""
    return json.dumps(rule_schema(), indent=2, ensure_ascii=False) + "\n"


def _properties() -> dict[str, dict[str, Any]]:
    return {
        "id": _word(ID, "Lower-case words joined by '-'. A rule keeps its id."),
        "alert_type": _word(ALERT_TYPE, "UPPER_CASE words joined by '_'; a critical form has that of its rule."),
        "title": _text("What people read.") | {"maxLength": LONGEST_TITLE},
        "severity": {"enum": list(SEVERITIES)},
        "class": {"enum": list(RULE_CLASSES), "default": RULE_CLASSES[0], "description": "The body, or the sensor."},
        "over": _over(),
        "when": _condition("SQL over the columns of the rows, such as heart_rate > 100 AND steps_per_minute < 5."),
        "sustained": _sustained(),
        "max_gap": _duration("A row that comes later than this after the last one starts anew."),
        "clear": _clear(),
        "factor": _factor(),
        "event": {"enum": list(PIPELINE_EVENTS), "description": "What befell the pipeline itself."},
        "at_least": _duration("Nothing heard for at least this, however often something comes; 7 days at most."),
        "cooldown": _duration("For so long after an episode the next one tells nobody."),
        "measures": _list({"type": "string", "examples": list(NUMERIC)}, "What the alert shows of the readings."),
        "replaces": _word(ID, "The rule that this one is the critical form of."),
        "description": _text("What it finds."),
        "falsepositives": _list({"type": "string"}, "What else looks like it."),
        "references": _list({"type": "string"}, "Where the numbers come from."),
    }


def _over() -> dict[str, Any]:
    said = (
        "The rows the rule sees: each reading, or a window of them, such as window(10m) or window(1m, every 10s);"
        " or absence: that nothing comes; or pipeline: what befalls the pipeline itself."
    )
    pattern = f"^(reading|absence|pipeline|{WINDOW.pattern})$"
    return {"type": "string", "pattern": pattern, "default": "reading", "description": said}


def _factor() -> dict[str, Any]:
    said = "Nothing heard for so many times the usual time between two readings of the person."
    return {"type": "number", "exclusiveMinimum": 1, "maximum": MAX_FACTOR, "description": said}


def _technical(kind: dict[str, Any]) -> dict[str, Any]:
    return kind | {"properties": kind["properties"] | {"class": {"const": "technical"}}}


def _kind(required: tuple[str, ...], refused: Iterable[str]) -> dict[str, Any]:
    """What a rule of one kind must say, and must not."""
    return {"required": list(required), "properties": dict.fromkeys(refused, False)}


def _sustained() -> dict[str, Any]:
    fields = {
        "count": _count("So many rows must hold."),
        "within": _duration("The last `count` of them lie within this."),
        "for": _duration("From the first to the last at least this long."),
    }
    return _mapping({key: fields[key] for key in SUSTAINED_KEYS}, ()) | {"dependentRequired": {"within": ["count"]}}


def _clear() -> dict[str, Any]:
    fields = {"when": _condition("What ends an episode."), "count": _count("So many rows in a row.")}
    said = "Without it, NOT `when` ends an episode, once."
    return _mapping({key: fields[key] for key in CLEAR_KEYS}, ("when",)) | {"description": said}


def _mapping(properties: dict[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    mapping: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return mapping | {"required": list(required)} if required else mapping


def _word(pattern: re.Pattern[str], description: str) -> dict[str, Any]:
    return _text(description) | {"pattern": f"^{pattern.pattern}$", "maxLength": LONGEST_NAME}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description}


def _condition(description: str) -> dict[str, Any]:
    return _text(description) | {"maxLength": MAX_CHARACTERS}


def _duration(description: str) -> dict[str, Any]:
    ending = " A whole number and s, m, h or d."
    return {"type": "string", "pattern": f"^{DURATION.pattern}$", "description": description + ending}


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": MAX_COUNT, "default": 1, "description": description}


def _list(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": True, "description": description}
