"""Giving alerts to somebody: who looks after them, whatever their triage."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from alerts.announce import announce_on_commit
from alerts.audit import audit_add, change_of
from alerts.models import Alert
from alerts.outbox import outbox_add
from alerts.selectors import alerts_triageable
from alerts.services.triage import Refusal, Triaged, TriageError
from devices.erasures import REPLACED
from devices.models import User

NAME_KEPT: Final = 32  # letters, of AlertChange


def alerts_assign(*, alerts: Iterable[Alert], to: User | None, by: User, at: datetime, note: str = "") -> Triaged:
    """Give these to `to`, or (None) back to nobody. Refused where `to` may not triage it. Triage stays as it is."""
    with transaction.atomic():
        wanted = [alert.pk for alert in alerts]
        rows = Alert.objects.filter(pk__in=wanted).select_for_update(of=("self",)).order_by("alert_id")
        locked = list(rows.select_related("rule", "user", "assignee"))
        refused = {} if to is None else _not_theirs(locked, to)
        fitting = [alert for alert in locked if alert.pk not in refused]
        changed = [alert for alert in fitting if alert.assignee != to]
        already = [alert for alert in fitting if alert.assignee == to]
        _give(changed, to=to, by=by, at=at, note=note)
        return Triaged(tuple(changed), tuple(already), tuple(refused.values()))


def assignment_undo(*, alert: Alert, by: User, at: datetime, revision: int) -> Alert:
    """Take back the giving away that gave the alert `revision`: it is again whose it was. As it now is.

    Raises TriageError where it was given to somebody since, by somebody else, or whose it was may not have it any more.
    """
    with transaction.atomic():
        rows = Alert.objects.filter(pk=alert.pk).select_for_update(of=("self",))
        (locked,) = rows.select_related("rule", "user", "assignee")
        last = locked.changes.filter(action="assign").order_by("-revision").select_related("by").first()
        if last is None or (last.revision, last.by) != (revision, by):
            raise TriageError(Refusal(locked, "not_undone", "It cannot be taken back any more."))
        to = _named(last.was)
        if last.was and (to is None or _not_theirs([locked], to)):
            raise TriageError(Refusal(locked, "not_undone", "Whose it was does not watch them any more."))
        _give([locked], to=to, by=by, at=at, note="")
        return locked


def _named(name: str) -> User | None:
    """Who is called so in the history, which keeps 32 letters of a name; None where nobody is, or two are, or where it
    may be somebody who was erased."""
    found = User.objects.filter(Q(username=name) if len(name) < NAME_KEPT else Q(username__startswith=name))
    people = list(found.filter(is_active=True)[:2]) if name not in ("", REPLACED) else []
    return people[0] if len(people) == 1 else None


def _give(alerts: list[Alert], *, to: User | None, by: User, at: datetime, note: str) -> None:
    was = {alert.pk: alert.assignee.username[:NAME_KEPT] if alert.assignee else "" for alert in alerts}
    Alert.objects.filter(pk__in=was).update(assignee=to, revision=F("revision") + 1, changed_at=at)
    for alert in alerts:
        alert.assignee, alert.changed_at = to, at
        alert.revision += 1
    became = to.username[:NAME_KEPT] if to else ""
    audit_add(
        change_of(alert, action="assign", at=at, was=was[alert.pk], became=became, by=by, note=note) for alert in alerts
    )
    outbox_add(alerts)
    announce_on_commit(alerts)


def _not_theirs(alerts: list[Alert], to: User) -> dict[UUID, Refusal]:
    """Those that `to` may not triage, by id."""
    rows = alerts_triageable(user=to).filter(pk__in=[alert.pk for alert in alerts])
    theirs = set(rows.values_list("pk", flat=True))
    return {
        alert.pk: Refusal(alert, "not_theirs", f"{to.shown_name} does not watch {alert.whose}.")
        for alert in alerts
        if alert.pk not in theirs
    }
