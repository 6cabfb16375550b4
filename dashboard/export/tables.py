"""The files of an export: which columns they have, and what is read for their rows."""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from typing import Final

from alerts.models import Alert, AlertChange, Mute, Summary
from alerts.reworded import description_in
from dashboard.export import around, sign_in, told
from dashboard.export.columns import Column, Table, belonging, listed, own, rows_by
from dashboard.export.snapshot import Row, Rows
from devices.metrics import METRICS, NUMERIC, Units
from devices.models import Baseline, Device, MetricWindow, Note, Reading, User
from devices.models.metric_window import AGGREGATES
from devices.selectors import flag_names
from devices.units import CANONICAL_CODES, shown_names, shown_values


def tables(units: Units, zone: tzinfo = UTC, *, is_own: bool = True) -> dict[str, Table]:
    """Every file by its name, numbers in these units, sentences by the clock of `zone`, too. How somebody signs in, how
    and of whom they are told, and what they keep at hand is in none but their own: it may name others, whom the reader
    may not see."""
    measured = (_readings(units), _windows(units), _summaries(units), _baselines(units))
    found = (_alerts(units, zone), _history(), told.incidents(), _planned(), _notes())
    seen_by = (around.looks(), around.watchers(), around.teams())
    whole = (_profile(is_own=is_own), _devices(), *measured, *found, *seen_by, *(_own_only() if is_own else ()))
    return {table.name: table for table in whole}


def _own_only() -> Iterator[Table]:
    yield from (told.channels(), told.routes(), told.deliveries())
    yield from (around.memberships(), around.pins(), around.saved_views(), around.audit())
    yield from (sign_in.sessions(), sign_in.second_factors(), sign_in.tokens())


def _metric_columns(units: Units, names: Sequence[str]) -> list[Column]:
    return [
        Column(shown, METRICS[name].label, units.of(METRICS[name].unit).code, METRICS[name].loinc or "")
        for name, shown in zip(names, shown_names(names, units), strict=True)
    ]


def _profile(*, is_own: bool) -> Table:
    names = ["username", "display_name", "first_name", "last_name", "email", "time_zone", "glucose_unit"]
    names += ["temperature_unit", "is_wearer", "date_joined"]
    names += ["last_login", "hidden_columns"] if is_own else []
    columns = (Column("user_id", "What the stream calls you"), *(Column(name, "Of your account") for name in names[1:]))
    return Table("profile", "Your account", columns, lambda person: rows_by(own(User, "pk", person), ("pk",), names))


def _devices() -> Table:
    columns = (
        Column("kind", "As the stream names it"),
        Column("external_id", "Its number"),
        Column("name", "What you call it"),
        Column("cadence_s", "Expected time between readings", "s"),
        Column("last_seen_at", "When a reading of it was last stored"),
        Column("token_made_at", "Since when its token holds; the token itself is not kept"),
        Column("created_at", "Since when it is known"),
    )
    return listed("devices", "What you wear", columns, belonging(Device, "user"))


def _readings(units: Units) -> Table:
    names = ("recorded_at", "user__username", "event_id", "received_at", "flags", *METRICS)
    columns = (
        Column("timestamp", "When it was measured"),
        Column("user_id", "What the stream calls you"),
        Column("event_id", "Of the event"),
        Column("received_at", "When it was received"),
        Column("flags", "What is remarkable: late, out of order, in doubt"),
        *_metric_columns(units, tuple(METRICS)),
    )
    values = shown_values(tuple(METRICS), units)

    def made(row: Row) -> Row:
        return (*row[:4], flag_names(row[4]), *values(row[5:]))

    def rows(person: User) -> Rows:
        return rows_by(own(Reading, "user", person), ("recorded_at", "event_id"), names, made)

    return Table("readings", "What was measured, a row a reading", columns, rows)


def _windows(units: Units) -> Table:
    aggregates = [f"{kind}_{name}" for name in NUMERIC for kind in AGGREGATES]
    names = ("size_s", "every_s", "ended_at", "count", "flags", *aggregates)
    columns = (
        Column("size_s", "How long the window is", "s"),
        Column("every_s", "How far apart windows begin", "s"),
        Column("ended_at", "Its end, which does not belong to it"),
        Column("count", "How many readings"),
        Column("flags", "Those of any of its readings"),
        *_aggregate_columns(aggregates, units),
    )
    values = shown_values(aggregates, units)

    def made(row: Row) -> Row:
        return (*row[:4], flag_names(row[4]), *values(row[5:]))

    def rows(person: User) -> Rows:
        return rows_by(own(MetricWindow, "user", person), ("size_s", "every_s", "ended_at"), names, made)

    return Table("windows", "Your readings by windows of time, mostly minutes", columns, rows)


def _aggregate_columns(names: Sequence[str], units: Units) -> Iterator[Column]:
    for name, shown in zip(names, shown_names(names, units), strict=True):
        kind, _, metric = name.partition("_")
        unit = "" if kind == "count" else units.of(METRICS[metric].unit).code
        yield Column(shown, f"{METRICS[metric].label}, {kind}", unit)


_OF_SUMMARY: Final = ("count", "min", "avg", "max")


def _summaries(units: Units) -> Table:
    aggregates = [f"{kind}_{name}" for name in NUMERIC for kind in _OF_SUMMARY]
    columns = (
        Column("period", "hour or day, of UTC"),
        Column("start", "When it begins"),
        Column("readings", "How many readings"),
        Column("alerts", "How many alerts, by severity"),
        *_aggregate_columns(aggregates, units),
    )
    values = shown_values(aggregates, units)

    def made(row: Row) -> Row:
        found = [(row[4].get(name) or {}).get(kind) for name in NUMERIC for kind in _OF_SUMMARY]
        return (*row[:4], *values(found))

    def rows(person: User) -> Rows:
        names = ("period", "start", "readings", "alerts", "metrics")
        return rows_by(own(Summary, "user", person), ("start", "pk"), names, made)

    return Table("summaries", "Your hours and days in numbers", columns, rows)


_STORED: Final = f"in the units of the stream ({', '.join(CANONICAL_CODES)}), whichever were asked for"
_OF_SENTENCE: Final = (
    "rule_version", "started_at", "opened_at", "ended_at", "end", "event_count", "measures", "evidence", "description"
)  # fmt: skip


def _alerts(units: Units, zone: tzinfo) -> Table:
    columns = (
        Column("alert_id", "Its name"),
        Column("rule", "The rule that fired", field="rule__rule_id"),
        Column("rule_version", "Which wording of it"),
        Column("alert_type", "What kind"),
        Column("title", "In words"),
        Column("severity", "CRITICAL, HIGH, MEDIUM, LOW or INFO"),
        Column("class", "clinical: of the body; technical: of the sensor", field="alert_class"),
        Column("episode", "firing, ended or withdrawn"),
        Column("end", "How it ended"),
        Column("started_at", "The first reading that matched"),
        Column("opened_at", "The reading that opened it"),
        Column("ended_at", "The last reading that matched"),
        Column("event_count", "How many readings matched"),
        Column("measures", f"What they came to, by metric, {_STORED}"),
        Column("evidence", f"The first and the last of them, {_STORED}"),
        Column("description", "What happened, in a sentence, in the units and by the clock asked for"),
        Column("quiet_reason", "Why nobody was told, where nobody was"),
        Column("triage", "new, acknowledged, snoozed or closed"),
        Column("close_reason", "Why it was closed"),
        Column("triaged_by", "Who decided last", field="triaged_by__username"),
        Column("triaged_at", "When they did"),
        Column("revision", "How often it changed"),
    )
    names = [column.field or column.name for column in columns]
    sentence = names.index("description")

    def made(row: Row) -> Row:
        *shown, rule = row
        alert = Alert(**{name: shown[names.index(name)] for name in _OF_SENTENCE}, rule_id=rule)
        shown[sentence] = description_in(alert, units, zone)
        return shown

    def rows(person: User) -> Rows:
        return rows_by(own(Alert, "user", person), ("opened_at", "alert_id"), [*names, "rule_id"], made)

    return Table("alerts", "Your alerts", columns, rows)


def _history() -> Table:
    columns = (
        Column("alert_id", "Which alert"),
        Column("revision", "Which change of it"),
        Column("at", "When"),
        Column("by", "Who; empty where Telara did it", field="by__username"),
        Column("action", "What"),
        Column("was", "From"),
        Column("became", "To"),
        Column("note", "What they wrote"),
    )
    return listed(
        "alert_history",
        "What became of your alerts, notes included",
        columns,
        belonging(AlertChange, "alert__user", "alert_id", "revision"),
    )


def _planned() -> Table:
    columns = (
        Column("rules", "Which rules stayed quiet"),
        Column("starts_at", "From when"),
        Column("ends_at", "Until when"),
        Column("why", "What was planned"),
        Column("made_by", "Who said so", field="made_by__username"),
        Column("made_at", "When they did"),
    )
    return listed("planned_activity", "When you asked for quiet", columns, belonging(Mute, "user", "starts_at", "pk"))


def _notes() -> Table:
    columns = (
        Column("about", "Which moment it is about"),
        Column("written_at", "When it was written"),
        Column("by", "Who wrote it; empty where they are no longer here", field="by__username"),
        Column("text", "What they wrote"),
    )
    return listed("notes", "What was written about you", columns, belonging(Note, "person", "about", "pk"))


def _baselines(units: Units) -> Table:
    columns = (
        Column("valid_from", "Since when it holds"),
        Column("metric", "Of what"),
        Column("unit", "In which unit"),
        Column("local_hour", "Of your day"),
        Column("zone", "By whose clock"),
        Column("median", "The middle; empty while it is being learned"),
        Column("mad", "The usual distance from it"),
        Column("values", "How many it was made of"),
        Column("days", "On how many days"),
    )
    names = ("valid_from", "metric", "local_hour", "zone", "median", "mad", "values", "days")

    def made(row: Row) -> Row:
        valid_from, name, hour, zone, median, mad, *counts = row
        shown = units.of(METRICS[name].unit)
        median = None if median is None else shown.value(median)
        mad = None if mad is None else shown.length(mad)
        return (valid_from, name, shown.code, hour, zone, median, mad, *counts)

    def rows(person: User) -> Rows:
        return rows_by(own(Baseline, "user", person), ("valid_from", "metric", "local_hour"), names, made)

    return Table("baselines", "What is usual for you", columns, rows)
