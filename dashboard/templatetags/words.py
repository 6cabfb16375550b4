"""What templates say of measures, lengths and changes."""

import json
from datetime import timedelta
from typing import Final

from django import template

from alerts.models import AlertChange
from dashboard.templatetags.telara import age_text
from devices.metrics import METRICS

register = template.Library()


@register.filter
def length_text(length: timedelta) -> str:
    """A stretch of time in the words of an age; a minute is 60 s."""
    seconds = length.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else age_text(seconds).removesuffix(" 00 s").removesuffix(" 00 m")


@register.filter
def metric_label(name: str) -> str:
    return METRICS[name].label if name in METRICS else name


@register.filter
def metric_unit(name: str) -> str:
    return METRICS[name].shown if name in METRICS else ""


@register.filter
def metric_value(value: float, name: str) -> str:
    """A value with the decimals of its metric."""
    return f"{value:.{METRICS[name].decimals if name in METRICS else 2}f}"


_CHANGES: Final = {
    "opened": "Opened",
    "ended": "Ended",
    "revived": "Firing again: a reading continued the run",
    "loud": "Told: it turned out to be still going on",
    "withdrawn": "Withdrawn",
    "acknowledge": "Acknowledged",
    "snooze": "Snoozed",
    "snooze_end": "Snooze over",
    "close": "Closed",
    "reopen": "Opened again",
    "undo": "Taken back",
    "comment": "Note",
}


@register.filter
def change_text(change: AlertChange) -> str:
    """A change of an alert in words: what, and by whom."""
    text = _CHANGES.get(change.action, change.action)
    if change.by is not None:
        return f"{text} by {change.by.shown_name}"
    return f"{text}: {change.note}" if change.note else text


@register.filter
def json_text(value: object) -> str:
    """As JSON, for a data attribute (which escapes it)."""
    return json.dumps(value, separators=(",", ":"))
