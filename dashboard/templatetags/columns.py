"""What a condition may read, for who writes one."""

from dataclasses import dataclass
from typing import Any

from django import template

from alerts.engine.source import DERIVED_COLUMNS, STORED_COLUMNS, Column
from devices.metrics import METRICS

register = template.Library()


@dataclass(frozen=True, slots=True)
class Offered:
    """A metric as the editor offers it: its unit, what it can be, and which columns are made of it."""

    name: str
    label: str
    unit: str
    between: str
    made: str


@register.inclusion_tag("_rule_columns.html")
def rule_columns() -> dict[str, Any]:
    """The table of columns beside the editor."""
    return {"columns": [_offered(column) for column in STORED_COLUMNS.values()]}


def _offered(column: Column) -> Offered:
    if column.is_text:
        return Offered(column.name, column.label, "", ", ".join(column.choices), "")
    above = "above " if METRICS[column.name].low_open else ""
    between = f"{above}{column.low:,g} to {column.high:,g}"
    made = " ".join(ending for ending in ("_z", "_rate") if f"{column.name}{ending}" in DERIVED_COLUMNS)
    return Offered(column.name, column.label, column.shown, between, made)
