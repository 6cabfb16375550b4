"""What templates say of measures, lengths and changes."""

import json
from datetime import datetime, timedelta
from typing import Final

from django import template

from alerts.columns_read import read_column
from alerts.engine import Rule, Window
from alerts.engine.source import COLUMNS, metrics_behind
from alerts.models import Alert, AlertChange
from dashboard.templatetags.telara import age_text
from devices.metrics import METRICS
from devices.reader import local, shown_in, units_now

register = template.Library()


@register.filter
def length_text(length: timedelta) -> str:
    """A stretch of time in the words of an age; a minute is 60 s."""
    seconds = length.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else age_text(seconds).removesuffix(" 00 s").removesuffix(" 00 m")


@register.filter
def column_label(name: str) -> str:
    """What a column of readings or windows is called."""
    return COLUMNS[name].label if name in COLUMNS else name


@register.filter
def column_unit(name: str) -> str:
    return read_column(name, units_now()).unit if name in COLUMNS else ""


@register.filter
def column_value(value: float, name: str) -> str:
    """A value in the reader's unit, with the decimals of its column."""
    return read_column(name, units_now()).text(value) if name in COLUMNS else f"{value:.2f}"


@register.filter
def condition_units(rule: Rule) -> str:
    """The units of its text, where the reader reads others: `°C`; else empty."""
    others = [METRICS[name].shown for name in metrics_behind(rule.columns) if not shown_in(name).is_canonical]
    return ", ".join(dict.fromkeys(others))


@register.filter
def rows_word(rule: Rule | None, count: int) -> str:
    """What a rule sees, in words: readings, or windows."""
    noun = "window" if rule and isinstance(rule.over, Window) else "reading"
    return noun if count == 1 else f"{noun}s"


@register.filter
def counted_word(alert: Alert) -> str:
    """What an alert counts, in words: readings, or times that something befell the pipeline."""
    noun = "reading" if alert.user_id is not None else "time"
    return noun if alert.event_count == 1 else f"{noun}s"


_CHANGES: Final = {
    "opened": "Opened",
    "ended": "Ended",
    "revived": "Firing again: a reading continued the run",
    "loud": "Told: it turned out to be still going on",
    "withdrawn": "Withdrawn",
    "acknowledge": "Acknowledged",
    "snooze": "Snoozed",
    "snooze_end": "Snooze over",
    "snooze_gone": "Snooze of another one over",
    "close": "Closed",
    "reopen": "Opened again",
    "undo": "Taken back",
    "comment": "Note",
    "mute": "Muted",
    "mute_end": "Mute over",
}


@register.filter
def change_text(change: AlertChange) -> str:
    """A change of an alert in words: what, and by whom."""
    text = _CHANGES.get(change.action, change.action)
    if change.action == "assign":
        text = f"Given to {change.became}" if change.became else "Given to nobody in particular"
    if change.action == "snooze" and change.until is not None:
        text += f" until {local(change.until):%H:%M}"
    if change.action == "mute" and change.became:
        text += f" until {local(datetime.fromisoformat(change.became)):%H:%M}"
    if change.by is not None:
        return f"{text} by {change.by.shown_name}"
    return f"{text}: {change.note}" if change.note else text


@register.filter
def json_text(value: object) -> str:
    """As JSON, for a data attribute (which escapes it)."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def rate_text(rate: float | None, decimals: int) -> str:
    """How often, with so many decimals: what is rarer than they can tell is not called never."""
    if rate is None:
        return "unknown"
    least = 10.0**-decimals
    return f"< {least:.{decimals}f}" if 0 < rate < least else f"{rate:.{decimals}f}"
