"""A new alert, with what it says of its rule."""

from datetime import datetime
from typing import Any

from alerts.engine import AnyRule
from alerts.models import Alert, Rule


def alert_headed(wording: AnyRule, row: Rule, *, at: datetime, **fields: Any) -> Alert:
    """An alert, not saved, of the version `wording` of the rule `row`: what it copies of it, and other `fields`."""
    return Alert(
        rule=row,
        rule_version=wording.version,
        alert_type=wording.alert_type,
        title=wording.title,
        severity=wording.severity,
        alert_class=wording.rule_class,
        replaces=wording.replaces or "",
        changed_at=at,
        **fields,
    )
