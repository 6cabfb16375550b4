"""Notices: which routes tell of which incidents, and what they say next. `decide` says what; here are the rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q, QuerySet

from alerts.hushing import hushes_of
from alerts.models import Delivery, Incident, IncidentMember, Notice, Route
from alerts.models.alert import EpisodeState
from alerts.models.incident import IncidentState
from alerts.notify.decide import (
    LOOKED_AFTER,
    NAME,
    OVER,
    RANK,
    TOGETHER,
    WITHDRAWN,
    Decision,
    Member,
    Plan,
    Progress,
    decide,
)
from alerts.notify.hours import quiet_until
from alerts.rewriting import rows_rewrite
from devices.models import User
from devices.rights.watching import watch_pairs
from devices.selectors import sees_everyone

AT_ONCE: Final = 500  # notices a step
BROKEN_WAITS: Final = timedelta(minutes=1)
NEWS: Final = (Delivery.Kind.START, Delivery.Kind.AGAIN, Delivery.Kind.HIGHER)
ENDS: Final = (Delivery.Kind.END, Delivery.Kind.WITHDRAWN)
_OF_ALERTS: Final = (WITHDRAWN, OVER, LOOKED_AFTER)  # reasons to drop a message
ON_ITS_WAY: Final = Q(state=Delivery.State.PENDING) | Q(
    state=Delivery.State.BUNDLED, bundle__state=Delivery.State.PENDING
)
_PROGRESS: Final = ("round", "since", "told", "repeats", "over", "last_at", "sent_at")


def notices_wake(*, incident_ids: Collection[UUID], at: datetime) -> None:
    """Look at what these incidents' routes have to say, now; routes that never told of one begin.

    In the transaction that changed the incidents.
    """
    if not incident_ids or not Route.objects.exists():
        return
    Notice.objects.filter(incident__in=incident_ids).update(next_at=at)
    new = Q(state=IncidentState.OPEN) | Q(state=IncidentState.ENDED, noticed_at__gte=at - TOGETHER)
    loud = list(Incident.objects.filter(new, pk__in=incident_ids, loud=True))
    routes = routes_to(users={incident.user_id for incident in loud})
    _begin(((route, incident) for incident in loud for route in routes[incident.user_id]), at=at)


def notices_resume(*, route: Route, at: datetime) -> None:
    """Let a route (owner selected) that is new, or on again, look at what is open, now.

    In the transaction that made it so.
    """
    Notice.objects.filter(route=route, incident__state=IncidentState.OPEN).update(next_at=at)
    seen = Incident.objects.visible_to(route.owner).filter(state=IncidentState.OPEN, loud=True)
    _begin(((route, incident) for incident in seen.iterator()), at=at)


def _begin(pairs: Iterable[tuple[Route, Incident]], *, at: datetime) -> None:
    """Notices where there are none. Of an incident that was there before, a start is late, as if one had been made:
    only what nobody looks after is told."""
    Notice.objects.bulk_create(
        (
            Notice(
                route=route,
                incident=incident,
                since=at,
                last_at=incident.noticed_at if at > incident.noticed_at + TOGETHER else None,
                next_at=at,
            )
            for route, incident in pairs
            if _wants(route, incident)
        ),
        batch_size=AT_ONCE,
        ignore_conflicts=True,
    )


def _wants(route: Route, incident: Incident) -> bool:
    return (
        route.wearer_id in (None, incident.user_id)
        and route.alert_class in ("", incident.alert_class)
        and RANK[route.least_severity] <= RANK[incident.severity]
    )


def routes_to(*, users: Set[int | None]) -> Mapping[int | None, Sequence[Route]]:
    """The routes of all who may see each of these people; None: what is nobody's, for who may see everyone."""
    if not users:
        return {}
    seen_by: dict[int | None, set[int]] = defaultdict(set)
    for analyst, wearer in watch_pairs(wearers=[user for user in users if user is not None]):
        seen_by[wearer].add(analyst)
    everybody = set(User.objects.filter(sees_everyone()).values_list("pk", flat=True))
    for user in users:
        seen_by[user] |= everybody | ({user} if user is not None else set())
    routes: dict[int, list[Route]] = defaultdict(list)
    owners = set().union(*seen_by.values())
    for route in Route.objects.filter(enabled=True, owner__in=owners, owner__is_active=True):
        routes[route.owner_id].append(route)
    return {user: [route for owner in seen_by[user] for route in routes.get(owner, ())] for user in users}


def notices_carry_over(
    *, merged: Sequence[tuple[UUID, UUID]], split: Sequence[tuple[UUID, UUID]], at: datetime
) -> None:
    """What was told of an incident was told of the one it became part of, or that became of a part of it; what is on
    its way goes on for the one it became part of. A part of which nothing has arrived yet is told of by itself."""
    for old, new in merged:
        there = {notice.route_id: notice for notice in Notice.objects.filter(incident=new).select_for_update()}
        for notice in Notice.objects.filter(incident=old).select_for_update():
            other = there.get(notice.route_id)
            if other is None:
                Notice.objects.filter(pk=notice.pk).update(incident=new)
            else:
                _join(other, notice, at=at)
                Notice.objects.filter(pk=notice.pk).update(next_at=None, over=True)
    for old, new in split:
        notices = list(Notice.objects.filter(incident=old))
        for notice in notices:
            notice.pk, notice.incident_id = None, new
            if notice.sent_at is None:
                notice.told, notice.repeats, notice.last_at = 0, 0, None
        Notice.objects.bulk_create(notices, ignore_conflicts=True)


def _join(notice: Notice, other: Notice, *, at: datetime) -> None:
    """One that goes on outweighs one that is over; of two that go on the worse that was told counts."""
    said = Delivery.objects.filter(notice=other, round=other.round).exclude(state=Delivery.State.DROPPED)
    if other.over:
        said.filter(ON_ITS_WAY).update(notice=notice, round=notice.round)
        return
    if notice.over:
        going_on = {name: getattr(other, name) for name in _PROGRESS} | {"over": False, "round": notice.round + 1}
        Notice.objects.filter(pk=notice.pk).update(**going_on)
        said.update(notice=notice, round=notice.round + 1)
        return
    sent_at = max(filter(None, (notice.sent_at, other.sent_at)), default=None)
    Notice.objects.filter(pk=notice.pk).update(told=max(notice.told, other.told), sent_at=sent_at)
    _drop_said(said, of=notice, at=at)
    said.update(notice=notice, round=notice.round)


def _drop_said(untold: QuerySet[Delivery], *, of: Notice, at: datetime) -> None:
    """Drop what nobody tried to send yet, where as much was said `of` the incident that it became part of."""
    theirs = Delivery.objects.filter(
        ON_ITS_WAY | Q(state=Delivery.State.SENT), notice=of, round=of.round, kind__in=NEWS
    )
    worst = max((RANK[severity] for severity in theirs.values_list("severity", flat=True)), default=0)
    known = [name for name, rank in RANK.items() if rank <= worst]
    untried = Q(state=Delivery.State.PENDING, attempts=0) | Q(state=Delivery.State.BUNDLED)
    untold.filter(ON_ITS_WAY, untried, kind__in=NEWS, severity__in=known).update(
        state=Delivery.State.DROPPED, next_at=None, done_at=at, note="its incident became part of one that was told"
    )


def notices_decide(*, at: datetime, limit: int = AT_ONCE) -> int:
    """Decide about at most `limit` notices that are due, and write the messages; how many notices that were.

    Two at once take different ones. A notice and its message are written together, so that each is made once. Raises
    ExceptionGroup, once all others are decided, where one could not be; it is looked at again after a while.
    """
    broken: list[Exception] = []
    with transaction.atomic():
        due = Notice.objects.filter(next_at__lte=at).order_by("next_at")
        notices = list(
            due.select_for_update(skip_locked=True, of=("self",)).select_related("route__owner", "incident")[:limit]
        )
        members = members_of({notice.incident_id for notice in notices}, at=at)
        flying = in_flight(notices)
        messages: list[Delivery] = []
        for notice in notices:
            try:
                decision = _decided(notice, members[notice.incident_id], flying, at)
            except Exception as error:  # noqa: BLE001  # raised below, once nobody else's alarm waits for it
                broken.append(error)
                notice.next_at = at + BROKEN_WAITS
            else:
                messages += _apply(notice, decision, at)
        Delivery.objects.bulk_create(messages)
        rows_rewrite(notices, fields=[*_PROGRESS, "next_at"])
    if broken:
        raise ExceptionGroup("Some notices could not be decided about.", broken)
    return len(notices)


def _decided(notice: Notice, members: Sequence[Member], flying: Set[tuple[int, int]], at: datetime) -> Decision:
    progress = _progress(notice, in_flight=(notice.pk, notice.round) in flying)
    if not notice.route.enabled or notice.incident.state == IncidentState.MERGED:
        return Decision(progress)
    return decide(plan_of(notice.route), progress, members, at)


def _apply(notice: Notice, decision: Decision, at: datetime) -> list[Delivery]:
    for name in _PROGRESS:
        setattr(notice, name, getattr(decision.progress, name))
    notice.next_at = decision.next_at
    if decision.kind is None:
        return []
    return [
        Delivery(
            channel_id=notice.route.channel_id,
            notice=notice,
            round=notice.round,
            kind=decision.kind,
            severity=NAME[decision.rank],
            made_at=at,
            next_at=at,
        )
    ]


def in_flight(notices: Iterable[Notice]) -> set[tuple[int, int]]:
    """Of which of these, and which round, a message is neither sent nor given up."""
    rows = Delivery.objects.filter(ON_ITS_WAY, notice__in=[notice.pk for notice in notices])
    return {(notice, number) for notice, number in rows.values_list("notice", "round") if notice is not None}


def notice_of(delivery: Delivery) -> Notice | None:
    """What it is about by now, locked: before the message itself, as whoever decides or moves messages does."""
    return Notice.objects.filter(deliveries=delivery.pk).select_for_update(of=("self",)).first()


def notice_untold(notice: Notice, delivery: Delivery, *, because: str, at: datetime) -> None:
    """Now that it was dropped, as much is told of the incident as its other messages say; it is looked at again.

    In the transaction that drops it, with `notice_of` it. Nothing where it was dropped for what no alert can change: it
    would be made again and again.
    """
    if because not in _OF_ALERTS:
        return
    others = Delivery.objects.filter(notice=notice, round=delivery.round).exclude(state=Delivery.State.DROPPED)
    said = others.exclude(kind__in=ENDS).exclude(pk=delivery.pk).values_list("severity", flat=True)
    worst = max((RANK[severity] for severity in said), default=0)
    told = Notice.objects.filter(pk=notice.pk, round=delivery.round, told=RANK[delivery.severity], told__gt=worst)
    told.update(told=worst, next_at=at)


def _progress(notice: Notice, *, in_flight: bool) -> Progress:
    return Progress(
        in_flight=in_flight,
        round=notice.round,
        since=notice.since,
        told=notice.told,
        repeats=notice.repeats,
        over=notice.over,
        last_at=notice.last_at,
        sent_at=notice.sent_at,
    )


def plan_of(route: Route) -> Plan:
    """What a route (owner selected) asks for."""
    zone = ZoneInfo(route.owner.time_zone)
    return Plan(
        least=RANK[route.least_severity],
        wait=timedelta(minutes=route.wait_min),
        every=timedelta(minutes=route.repeat_min),
        most=route.repeat_most,
        critical_pierces=route.critical_pierces,
        quiet_until=partial(quiet_until, zone=zone, begins=route.quiet_from, ends=route.quiet_until),
    )


def members_of(incident_ids: Collection[UUID], *, at: datetime) -> Mapping[UUID, Sequence[Member]]:
    """The members of these incidents as their alerts are at this moment, and what hushes them at `at`."""
    found: dict[UUID, list[Member]] = {incident_id: [] for incident_id in incident_ids}
    rows = IncidentMember.objects.filter(incident__in=incident_ids).select_related("alert__rule", "alert__triaged_by")
    members = list(rows.defer("alert__evidence", "alert__measures", "alert__description"))
    told = [row.alert for row in members if not row.alert.quiet and row.alert.episode != EpisodeState.WITHDRAWN]
    hushes = hushes_of(told, at=at)
    for row in members:
        alert, hush = row.alert, hushes.get(row.alert_id)
        found[row.incident_id].append(
            Member(
                rank=RANK[alert.severity],
                firing=alert.episode == EpisodeState.FIRING,
                withdrawn=alert.episode == EpisodeState.WITHDRAWN,
                quiet=alert.quiet,
                triage=alert.triage,
                hushed=hush is not None,
                hushed_until=hush.until if hush else None,
                renewed_at=alert.renewed_at,
            )
        )
    return found
