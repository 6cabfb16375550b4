"""Rules, alerts and what must be told of them."""

from alerts.models.alert import Alert, AlertChange
from alerts.models.outbox import OutboxEntry
from alerts.models.rule import Rule, RuleChange, RuleVersion
from alerts.models.state import DetectionState
from alerts.models.summary import DueHour, Summary

__all__ = [
    "Alert",
    "AlertChange",
    "DetectionState",
    "DueHour",
    "OutboxEntry",
    "Rule",
    "RuleChange",
    "RuleVersion",
    "Summary",
]
