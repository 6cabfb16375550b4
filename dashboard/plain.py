"""An alert as the person it is about reads it: is it still going on, and does somebody look after it?"""

from alerts.models import Alert
from alerts.models.alert import AlertClass, CloseReason, EpisodeState, QuietReason, Triage
from devices.reader import clock_shown

_CLOSED = {
    CloseReason.TRUE: "found it to be so",
    CloseReason.BENIGN: "found it harmless",
    CloseReason.FALSE_ALARM: "found it to be a false alarm",
    CloseReason.DUPLICATE: "found it to be the same as another one",
    CloseReason.EXPECTED: "expected it",
}
_UNTOLD = {
    QuietReason.LATE: "it was seen afterwards",
    QuietReason.COOLDOWN: "it came soon after one like it",
    QuietReason.EXPECTED: "your readings were stopped on purpose",
    QuietReason.MUTED: "of planned activity",
}


def plain_words(alert: Alert) -> str:
    """`Still going on. Ann is looking after it.` Reads who triaged it, so select them with it."""
    return f"{_going_on(alert)} {_looked_after(alert)}"


def _going_on(alert: Alert) -> str:
    if alert.episode == EpisodeState.WITHDRAWN:
        if alert.withdrawn_because == "merged":
            return "Taken back: another one tells of the same."
        return "Taken back: later readings show that it was not so."
    about = " This is about your device, not about your body." if alert.alert_class == AlertClass.TECHNICAL else ""
    return ("Still going on." if alert.episode == EpisodeState.FIRING else "Over.") + about


def _looked_after(alert: Alert) -> str:
    if alert.quiet_reason and alert.triage == Triage.NEW:
        return f"Nobody was told, because {_UNTOLD[QuietReason(alert.quiet_reason)]}."
    who = alert.triaged_by.shown_name if alert.triaged_by else "Somebody"
    if alert.triage == Triage.CLOSED:
        return f"{who} {_CLOSED[CloseReason(alert.close_reason)]}."
    if alert.triage == Triage.ACKNOWLEDGED:
        return f"{who} is looking after it."
    if alert.triage == Triage.SNOOZED and alert.snoozed_until:
        return f"{who} has seen it, and looks again at {clock_shown(alert.snoozed_until)}."
    return "Nobody has looked at it yet."
