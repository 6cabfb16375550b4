"""An alert as everyone outside reads it: topic, API and socket."""

from typing import Any

from alerts.models import Alert
from devices.times import rfc3339

STATISTICS = ("avg", "min", "max")


def alert_json(alert: Alert) -> dict[str, Any]:
    """The contract's JSON of `alert`; reads its rule and its user, so select them with it."""
    measures = {
        name: {statistic: values[statistic] for statistic in STATISTICS} for name, values in alert.measures.items()
    }
    shown: dict[str, Any] = {
        "alert_id": str(alert.alert_id),
        "revision": alert.revision,
        "alert_type": alert.alert_type,
        "rule_id": alert.rule.rule_id,
        "rule_version": alert.rule_version,
        "user_id": alert.user_id_of_stream,
        "severity": str(alert.severity),
        "class": str(alert.alert_class),
        "episode": str(alert.episode),
        "end": str(alert.end) if alert.end else None,
        "status": str(alert.triage),
        "quiet": alert.quiet,
        "quiet_reason": str(alert.quiet_reason) if alert.quiet_reason else None,
        "start_time": rfc3339(alert.started_at),
        "opened_at": rfc3339(alert.opened_at),
        "end_time": rfc3339(alert.ended_at),
        "event_count": alert.event_count,
        "measures": measures,
    }
    if "heart_rate" in measures:
        shown["avg_heart_rate"] = measures["heart_rate"]["avg"]
    return shown | {"description": alert.description}
