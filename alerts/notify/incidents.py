"""Incidents, kept as the alerts are: whatever was opened, ended, revived, withdrawn or moved in time is put together
anew, and an incident keeps its id as long as something of it stands.

Runs on the worker's side, of rows that are committed. An alert is due where what its membership remembers of it is not
what it is; how a firing alert grows is not remembered, for it reaches into the future. One run at a time, by an
advisory lock; each step is one transaction, with the same few queries however many alerts there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection, transaction

from alerts.models import Alert, Incident, IncidentCursor, IncidentMember
from alerts.models.alert import EpisodeState
from alerts.models.incident import IncidentState
from alerts.notify.decide import RANK
from alerts.notify.grouping import Known, Span, named, together
from alerts.notify.notices import notices_carry_over, notices_wake
from alerts.rewriting import rows_rewrite
from devices.failpoints import reach

LOCK: Final = 0x7E1A_0010  # advisory lock: a second run leaves
AT_ONCE: Final = 500  # alerts a step
NOTED_EVERY: Final = timedelta(minutes=1)  # how far it is
MARGIN: Final = timedelta(hours=1)  # no transaction that changes alerts is open for longer
Group = tuple[int | None, str]  # person and class
_REMEMBERED: Final = ("episode", "started_at", "ended_at", "quiet", "triage", "renewed_at")
_FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

# Each membership is looked up by its key (OFFSET 0 keeps it so): after many were deleted PostgreSQL takes the table for
# an empty one, and would compare everything with everything.
_DUE: Final = """
SELECT a.alert_id FROM alerts_alert a
LEFT JOIN LATERAL (SELECT * FROM alerts_incidentmember WHERE alert_id = a.alert_id OFFSET 0) m ON true
WHERE a.changed_at >= %s AND (
    m.alert_id IS NULL AND a.episode <> 'withdrawn'
    OR m.alert_id IS NOT NULL AND (
        (a.episode, a.started_at, a.quiet, a.triage) <> (m.episode, m.started_at, m.quiet, m.triage)
        OR a.renewed_at IS DISTINCT FROM m.renewed_at
        OR a.episode <> 'firing' AND a.ended_at IS DISTINCT FROM m.ended_at))
ORDER BY a.changed_at LIMIT %s
"""
# Everything that stands of these people and classes and touches these stretches.
_AROUND: Final = """
SELECT a.alert_id FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS g (u, c, lo, hi)
JOIN alerts_alert a ON a.user_id = g.u AND a.alert_class = g.c AND a.episode <> 'withdrawn'
    AND a.started_at <= g.hi AND (a.episode = 'firing' OR a.ended_at >= g.lo)
UNION
SELECT a.alert_id FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS g (u, c, lo, hi)
JOIN alerts_alert a ON g.u IS NULL AND a.user_id IS NULL AND a.alert_class = g.c AND a.episode <> 'withdrawn'
    AND a.started_at <= g.hi AND (a.episode = 'firing' OR a.ended_at >= g.lo)
"""


def incidents_update(*, at: datetime, limit: int = AT_ONCE) -> int:
    """Bring incidents up to date with at most `limit` alerts that changed; how many that was."""
    with transaction.atomic():
        if not _is_mine():
            return 0
        cursor = IncidentCursor.objects.filter(pk=1).first()
        reached_at = min(cursor.reached_at, at) if cursor else at
        due = _due(since=reached_at - MARGIN, limit=limit)
        if due:
            _put_together(due, at=at)
        if len(due) < limit and (cursor is None or at - reached_at >= NOTED_EVERY):  # nothing older is left
            IncidentCursor.objects.update_or_create(pk=1, defaults={"reached_at": at})
        reach("incident_before_commit")
    return len(due)


def _is_mine() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _due(*, since: datetime, limit: int) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [since, limit])
        return [row[0] for row in cursor.fetchall()]


@dataclass(slots=True)
class _Reach:
    """The stretch of a person and class that is to be looked at; it grows until nothing standing reaches out of it."""

    lo: datetime
    hi: datetime

    def take(self, started_at: datetime, ended_at: datetime | None) -> None:
        self.lo, self.hi = min(self.lo, started_at), max(self.hi, ended_at or _FOR_EVER)


def _put_together(due: Sequence[UUID], *, at: datetime) -> None:
    """Group anew what touches the alerts that changed, and write the incidents and memberships that differ."""
    alerts = _alerts(due)
    members = _members(alerts)
    alerts = _closure(alerts, members)
    members = _members(alerts)
    incidents = Incident.objects.in_bulk({member.incident_id for member in members.values()})
    writing = _Writing(at, incidents, members)
    groups: dict[Group, list[Alert]] = {}
    for alert in alerts.values():
        groups.setdefault(_group_of(alert), []).append(alert)
    for each in groups.values():
        writing.group(each)
    writing.write(alerts)


def _alerts(ids: Iterable[UUID]) -> dict[UUID, Alert]:
    return Alert.objects.only("user_id", "alert_class", "severity", *_REMEMBERED).in_bulk(list(ids))


def _members(alert_ids: Iterable[UUID]) -> dict[UUID, IncidentMember]:
    return IncidentMember.objects.in_bulk(list(alert_ids))


def _group_of(alert: Alert) -> Group:
    return alert.user_id, str(alert.alert_class)


def _ended_at(alert: Alert) -> datetime | None:
    return None if alert.episode == EpisodeState.FIRING else alert.ended_at


def _closure(changed: dict[UUID, Alert], members: dict[UUID, IncidentMember]) -> dict[UUID, Alert]:
    """The changed alerts, all that were in their incidents, and all that stands and overlaps any of these."""
    mates = {member.incident_id for member in members.values()}
    found = changed | _alerts(IncidentMember.objects.filter(incident__in=mates).values_list("alert_id", flat=True))
    stretches: dict[Group, _Reach] = {}
    while True:
        before = {group: (each.lo, each.hi) for group, each in stretches.items()}
        for alert in found.values():
            stretch = stretches.setdefault(_group_of(alert), _Reach(alert.started_at, alert.started_at))
            if alert.episode != EpisodeState.WITHDRAWN:
                stretch.take(alert.started_at, _ended_at(alert))
        if before == {group: (each.lo, each.hi) for group, each in stretches.items()}:
            return found
        found |= _alerts(_around(stretches) - set(found))
        others = {member.incident_id for member in _members(found).values()} - mates
        found |= _alerts(IncidentMember.objects.filter(incident__in=others).values_list("alert_id", flat=True))
        mates |= others


def _around(stretches: dict[Group, _Reach]) -> set[UUID]:
    asked: list[Any] = []
    for mine in (True, False):
        of = [(group, each) for group, each in stretches.items() if (group[0] is not None) == mine]
        asked += [
            [group[0] for group, _ in of],
            [group[1] for group, _ in of],
            [each.lo for _, each in of],
            [each.hi for _, each in of],
        ]
    with connection.cursor() as cursor:
        cursor.execute(_AROUND, asked)
        return {row[0] for row in cursor.fetchall()}


class _Writing:
    """Collects what incidents and memberships become, then writes what differs."""

    def __init__(self, at: datetime, incidents: dict[UUID, Incident], members: dict[UUID, IncidentMember]) -> None:
        self._at = at
        self._incidents = incidents
        self._members = members
        self._made: list[Incident] = []
        self._changed: dict[UUID, Incident] = {}
        self._place: dict[UUID, UUID] = {}  # alert to incident
        self._split: list[tuple[UUID, UUID]] = []  # from, to
        self._merged: list[tuple[UUID, UUID]] = []

    def group(self, alerts: Sequence[Alert]) -> None:
        """Decide about all alerts of one person and class that were found."""
        standing = {alert.pk: alert for alert in alerts if alert.episode != EpisodeState.WITHDRAWN}
        groups = together(Span(alert.pk, alert.started_at, _ended_at(alert)) for alert in standing.values())
        known = {
            alert_id: Known(incident.pk, incident.started_at)
            for alert_id in standing
            if (incident := self._incident_of(alert_id)) is not None
        }
        for spans, name in zip(groups, named(groups, known), strict=True):
            self._group([standing[span.alert_id] for span in spans], name)
        self._leave(alerts, standing)

    def _incident_of(self, alert_id: UUID) -> Incident | None:
        member = self._members.get(alert_id)
        return None if member is None else self._incidents[member.incident_id]

    def _group(self, alerts: Sequence[Alert], name: UUID | None) -> None:
        loud = [alert for alert in alerts if not alert.quiet]
        firing = any(alert.episode == EpisodeState.FIRING for alert in alerts)
        values: dict[str, Any] = {
            "state": IncidentState.OPEN if firing else IncidentState.ENDED,
            "severity": max((alert.severity for alert in loud or alerts), key=lambda severity: RANK[severity]),
            "loud": bool(loud),
            "started_at": min(alert.started_at for alert in alerts),
            "ended_at": None if firing else max(alert.ended_at for alert in alerts),
            "merged_into_id": None,
        }
        if name is None:
            user_id, alert_class = _group_of(alerts[0])
            incident = Incident(
                pk=uuid4(), user_id=user_id, alert_class=alert_class, noticed_at=self._at, changed_at=self._at, **values
            )
            self._made.append(incident)
            before = {old.pk for alert in alerts if (old := self._incident_of(alert.pk)) is not None}
            self._split += [(each, incident.pk) for each in before]
        else:
            incident = self._incidents[name]
            self._become(incident, values)
        self._place |= {alert.pk: incident.pk for alert in alerts}

    def _leave(self, alerts: Sequence[Alert], standing: dict[UUID, Alert]) -> None:
        """What becomes of incidents of which nothing stands any more: withdrawn, or part of another."""
        taken = set(self._place.values())
        for incident in {old for alert in alerts if (old := self._incident_of(alert.pk)) is not None}:
            if incident.pk in taken:
                continue
            theirs = [alert for alert in alerts if self._incident_of(alert.pk) == incident]
            went = sorted((each.started_at, str(each.pk), each.pk) for each in theirs if each.pk in standing)
            if not went and incident.state == IncidentState.MERGED:
                continue
            into = self._place[went[0][2]] if went else None
            ended_at = incident.ended_at or max(alert.ended_at for alert in theirs)
            state = IncidentState.MERGED if into else IncidentState.WITHDRAWN
            self._become(incident, {"state": state, "ended_at": ended_at, "merged_into_id": into})
            if into is not None:
                self._merged.append((incident.pk, into))

    def _become(self, incident: Incident, values: dict[str, Any]) -> None:
        if all(getattr(incident, name) == value for name, value in values.items()):
            return
        for name, value in values.items():
            setattr(incident, name, value)
        incident.changed_at = self._at
        self._changed[incident.pk] = incident

    def write(self, alerts: dict[UUID, Alert]) -> None:
        """Incidents first, then who is in which, then what was being told of those that became others."""
        Incident.objects.bulk_create(self._made)
        fields = ["state", "severity", "loud", "started_at", "ended_at", "merged_into", "changed_at"]
        rows_rewrite(list(self._changed.values()), fields=fields)
        touched = self._write_members(alerts)
        notices_carry_over(merged=self._merged, split=self._split, at=self._at)
        touched |= {incident.pk for incident in self._made} | set(self._changed)
        notices_wake(incident_ids=touched, at=self._at)

    def _write_members(self, alerts: dict[UUID, Alert]) -> set[UUID]:
        """The incidents of which a member changed."""
        new: list[IncidentMember] = []
        changed: list[IncidentMember] = []
        touched: set[UUID] = set()
        for alert in alerts.values():
            was = self._members.get(alert.pk)
            place = self._place.get(alert.pk, was.incident_id if was else None)
            if place is None:
                continue  # withdrawn before anybody knew of it
            now = _remembered(alert, place)
            if was is None:
                new.append(IncidentMember(alert_id=alert.pk, **now))
            elif any(getattr(was, name) != value for name, value in now.items()):
                for name, value in now.items():
                    setattr(was, name, value)
                changed.append(was)
            else:
                continue
            touched.add(place)
        IncidentMember.objects.bulk_create(new, batch_size=AT_ONCE)
        rows_rewrite(changed, fields=["incident", *_REMEMBERED])
        return touched


def _remembered(alert: Alert, incident_id: UUID) -> dict[str, Any]:
    return {
        "incident_id": incident_id,
        "episode": alert.episode,
        "started_at": alert.started_at,
        "ended_at": _ended_at(alert),
        "quiet": alert.quiet,
        "triage": alert.triage,
        "renewed_at": alert.renewed_at,
    }
