"""Rules, alerts and what must be told of them."""

from alerts.models.alert import Alert, AlertChange
from alerts.models.incident import Incident, IncidentCursor, IncidentMember
from alerts.models.mute import Mute, MuteChange
from alerts.models.notification import Channel, Delivery, Notice, Route
from alerts.models.outbox import OutboxEntry
from alerts.models.rule import Rule, RuleChange, RuleVersion
from alerts.models.saved_view import SavedView
from alerts.models.state import DetectionState
from alerts.models.summary import DueHour, Summary

__all__ = [
    "Alert",
    "AlertChange",
    "Channel",
    "Delivery",
    "DetectionState",
    "DueHour",
    "Incident",
    "IncidentCursor",
    "IncidentMember",
    "Mute",
    "MuteChange",
    "Notice",
    "OutboxEntry",
    "Route",
    "Rule",
    "RuleChange",
    "RuleVersion",
    "SavedView",
    "Summary",
]
