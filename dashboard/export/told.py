"""The files of an export about telling people: incidents, the ways to somebody, and what was sent to them."""

from alerts.models import Channel, Delivery, Incident, Route
from dashboard.export.columns import Column, Table, belonging, listed


def incidents() -> Table:
    columns = (
        Column("incident_id", "Its name"),
        Column("class", "clinical: of the body; technical: of the sensor", field="alert_class"),
        Column("state", "open, ended, withdrawn, or merged into another one"),
        Column("severity", "The worst of its alerts"),
        Column("loud", "Whether anybody may have been told"),
        Column("started_at", "When its first alert began"),
        Column("ended_at", "When its last one ended"),
        Column("merged_into", "The one that it became a part of", field="merged_into_id"),
    )
    return listed(
        "incidents", "Your alerts that belong together", columns, belonging(Incident, "user", "started_at", "pk")
    )


def channels() -> Table:
    columns = (
        Column("name", "What you call it"),
        Column("kind", "webhook, or a service"),
        Column(
            "address", "What may be read of where it leads; the rest of it, and its secret, are sealed", field="shown"
        ),
        Column("created_at", "Since when you have it"),
    )
    return listed("channels", "How you are told", columns, belonging(Channel, "owner"))


def routes() -> Table:
    columns = (
        Column("channel", "By which channel", field="channel__name"),
        Column("about", "Of whom only; empty: of everybody you may see", field="wearer__username"),
        Column("least_severity", "From which severity on"),
        Column("class", "clinical or technical; empty: both", field="alert_class"),
        Column("wait_min", "How long it waits for somebody to look after it", "min"),
        Column("repeat_min", "How far apart it repeats", "min"),
        Column("repeat_most", "How often at most"),
        Column("quiet_from", "When your quiet hours begin, on your clock"),
        Column("quiet_until", "When they end"),
        Column("critical_pierces", "Whether CRITICAL comes through them"),
        Column("with_details", "Whether it says who it is and what happened"),
        Column("enabled", "Whether it is on"),
        Column("created_at", "Since when you have it"),
    )
    return listed("routes", "What you are told of", columns, belonging(Route, "owner"))


def deliveries() -> Table:
    columns = (
        Column("channel", "By which channel", field="channel__name"),
        Column("kind", "start, worse, a repeat, the end, a test, ..."),
        Column("severity", "CRITICAL, HIGH, MEDIUM, LOW or INFO; empty for a test"),
        Column("state", "pending, sent, failed, dropped, or bundled: told with others"),
        Column("attempts", "How often it was tried"),
        Column("note", "Why it failed or was dropped"),
        Column("made_at", "When it was decided on"),
        Column("done_at", "When it arrived, or was given up"),
    )
    return listed(
        "deliveries",
        "Messages to you of the last 30 days",
        columns,
        belonging(Delivery, "channel__owner", "made_at", "pk"),
    )
