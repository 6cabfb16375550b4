"""Triage: what people decide about alerts. It never touches an episode.

Every decision is one conditional UPDATE whose row count is looked at; it raises the revision, leaves an audit row and
an outbox entry, and tells the screens after the commit. Each takes many alerts and answers with a `Triaged`; the
functions of one alert raise `TriageError` where the decision does not fit what the alert has become.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from django.db import transaction
from django.db.models import Case, F, Value, When

from alerts.announce import announce_on_commit
from alerts.audit import audit_add, change_of
from alerts.hushing import firing_under
from alerts.models import Alert, AlertChange
from alerts.models.alert import CloseReason, EpisodeState, Severity, Triage
from alerts.outbox import outbox_add
from devices.failpoints import reach
from devices.models import User

# After IEC 60601-1-8's idea that the worse the alarm, the shorter its pause.
LONGEST_SNOOZE: Final = MappingProxyType(
    {
        Severity.CRITICAL: timedelta(minutes=15),
        Severity.HIGH: timedelta(minutes=60),
        Severity.MEDIUM: timedelta(hours=4),
        Severity.LOW: timedelta(hours=24),
        Severity.INFO: timedelta(hours=24),
    }
)
NOTE_LENGTH: Final = 2000
RefusalCode = Literal["closed", "snooze_too_long", "snooze_in_past", "not_undone", "not_theirs"]
UNDONE: Final = ("acknowledge", "snooze", "close")  # what can be taken back, from a state that is known


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a decision did not fit an alert."""

    alert: Alert
    code: RefusalCode
    message: str


class TriageError(Exception):
    """The decision does not fit what the alert has become; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Triaged:
    """What came of a decision about many: changed, already so, and not fitting. All as they now are."""

    changed: tuple[Alert, ...] = ()
    already: tuple[Alert, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decision:
    """One decision: which states it leaves, where it leads, what else it writes."""

    action: str
    to: Triage
    leaves: frozenset[Triage]
    by: User | None
    at: datetime
    note: str = ""
    writes: Mapping[str, Any] = field(default_factory=dict)
    refuse: Callable[[Alert], Refusal | None] = lambda alert: None  # noqa: ARG005


def alerts_acknowledge(*, alerts: Iterable[Alert], by: User, at: datetime, note: str = "") -> Triaged:
    """Somebody looks after these. Closed ones are refused; ones that somebody else acknowledged stay theirs."""
    leaves = frozenset({Triage.NEW, Triage.SNOOZED})
    return _decide(alerts, _Decision("acknowledge", Triage.ACKNOWLEDGED, leaves, by, at, note))


def alerts_snooze(*, alerts: Iterable[Alert], by: User, at: datetime, until: datetime, note: str = "") -> Triaged:
    """Silence until a time, at most LONGEST_SNOOZE of the severity from `at` on; snoozing again moves the time."""
    leaves = frozenset({Triage.NEW, Triage.ACKNOWLEDGED, Triage.SNOOZED})
    before = Case(When(triage=Triage.SNOOZED, then=F("triage_before_snooze")), default=F("triage"))
    writes = {"snoozed_until": until, "triage_before_snooze": before}
    decision = _Decision(
        "snooze", Triage.SNOOZED, leaves, by, at, note, writes, refuse=lambda alert: _bad_snooze(alert, at, until)
    )
    return _decide(alerts, decision)


def alerts_close(*, alerts: Iterable[Alert], by: User, at: datetime, reason: CloseReason, note: str = "") -> Triaged:
    """Done with these, for a reason. A firing episode goes on firing. Ones closed for another reason are refused."""
    leaves = frozenset({Triage.NEW, Triage.ACKNOWLEDGED, Triage.SNOOZED})
    reason = CloseReason(reason)
    decision = _Decision(
        "close", Triage.CLOSED, leaves, by, at, note, {"close_reason": reason}, lambda alert: _other(alert, reason)
    )
    return _decide(alerts, decision)


def alerts_reopen(*, alerts: Iterable[Alert], by: User, at: datetime, note: str = "") -> Triaged:
    """Somebody has to look again: back to new, from wherever it is."""
    leaves = frozenset({Triage.ACKNOWLEDGED, Triage.SNOOZED, Triage.CLOSED})
    return _decide(alerts, _Decision("reopen", Triage.NEW, leaves, by, at, note))


def alerts_comment(*, alerts: Iterable[Alert], by: User, at: datetime, note: str) -> Triaged:
    """Say something about these; nothing else changes."""
    with transaction.atomic():
        return Triaged(changed=tuple(_comment(_locked(alerts), by=by, at=at, note=note)))


def alert_acknowledge(*, alert: Alert, by: User, at: datetime, note: str = "") -> Alert:
    """`alerts_acknowledge` of one, as it now is; raises TriageError."""
    return _only(alerts_acknowledge(alerts=[alert], by=by, at=at, note=note))


def alert_snooze(*, alert: Alert, by: User, at: datetime, until: datetime, note: str = "") -> Alert:
    """`alerts_snooze` of one, as it now is; raises TriageError."""
    return _only(alerts_snooze(alerts=[alert], by=by, at=at, until=until, note=note))


def alert_close(*, alert: Alert, by: User, at: datetime, reason: CloseReason, note: str = "") -> Alert:
    """`alerts_close` of one, as it now is; raises TriageError."""
    return _only(alerts_close(alerts=[alert], by=by, at=at, reason=reason, note=note))


def alert_reopen(*, alert: Alert, by: User, at: datetime, note: str = "") -> Alert:
    """`alerts_reopen` of one, as it now is."""
    return _only(alerts_reopen(alerts=[alert], by=by, at=at, note=note))


def alert_comment(*, alert: Alert, by: User, at: datetime, note: str) -> Alert:
    """`alerts_comment` of one, as it now is."""
    return _only(alerts_comment(alerts=[alert], by=by, at=at, note=note))


def alert_undo(*, alert: Alert, by: User, at: datetime, revision: int) -> Alert:
    """Take back the decision that gave the alert `revision`; as it now is: the triage of before, whose and since when.

    Raises TriageError where that is not the last decision about it, is another's, or ended a snooze, whose end is gone.
    """
    with transaction.atomic():
        locked = _locked([alert])
        if not locked:
            raise Alert.DoesNotExist("The alert is gone.")
        standing = _standing_decisions(locked[0])
        last = standing[0] if standing else None
        known = last is not None and last.action in UNDONE and last.was in (Triage.NEW, Triage.ACKNOWLEDGED)
        if last is None or not known or (last.revision, last.by) != (revision, by):
            raise TriageError(Refusal(locked[0], "not_undone", "It cannot be taken back any more."))
        before = next((change for change in standing[1:] if change.by is not None), None)
        whose = {"triaged_by": before and before.by, "triaged_at": before and before.at}
        decision = _Decision("undo", Triage(last.was), frozenset({Triage(last.became)}), by, at, "", whose)
        (undone,) = _write(locked, decision)
        _wake(locked, decision)
        return undone


def _standing_decisions(alert: Alert) -> list[AlertChange]:
    """The decisions about its triage that were not taken back, newest first."""
    decisions = alert.changes.filter(action__in=(*UNDONE, "reopen", "snooze_end", "undo")).order_by("-revision")
    standing, undone = [], 0
    for change in decisions.select_related("by"):
        if change.action == "undo":
            undone += 1
        elif undone:
            undone -= 1
        else:
            standing.append(change)
    return standing


def snoozes_end(*, at: datetime, limit: int = 500) -> int:
    """Give alerts whose snooze is over by `at` the triage they had before it; how many. At most `limit` at once.

    What fires still has `renewed_at` then: it may be told of again.
    """
    with transaction.atomic():
        due = Alert.objects.filter(triage=Triage.SNOOZED, snoozed_until__lte=at).order_by("alert_id")
        locked = list(due.select_for_update(skip_locked=True)[:limit])
        changed: list[Alert] = []
        for before in (Triage.NEW, Triage.ACKNOWLEDGED):
            woken = [alert for alert in locked if alert.triage_before_snooze == before]
            again = Case(When(episode=EpisodeState.FIRING, then=Value(at)), default=F("renewed_at"))
            decision = _Decision(
                "snooze_end", before, frozenset({Triage.SNOOZED}), None, at, writes={"renewed_at": again}
            )
            changed += _write(woken, decision)
        reach("snooze_before_commit")
    reach("snooze_after_commit")
    return len(changed)


def _decide(alerts: Iterable[Alert], decision: _Decision) -> Triaged:
    with transaction.atomic():
        locked = _locked(alerts)
        refused = {alert.pk: refusal for alert in locked if (refusal := _refusal(alert, decision))}
        fitting = [alert for alert in locked if alert.pk not in refused]
        already = [alert for alert in fitting if alert.triage not in decision.leaves]
        leaving = [alert for alert in fitting if alert.triage in decision.leaves]
        changed = _write(leaving, decision)
        _wake(leaving, decision)
        if decision.note and decision.by is not None:
            already = _comment(already, by=decision.by, at=decision.at, note=decision.note)
        return Triaged(tuple(changed), tuple(already), tuple(refused.values()))


def _locked(alerts: Iterable[Alert]) -> list[Alert]:
    """The alerts as they now are, locked in order of id, as the engine does: two writers never wait for each other.

    With them, what a snooze of theirs hushes, as far as the caller knows: `_wake` may write it.
    """
    given = list(alerts)
    wanted = {alert.pk for alert in given}
    hushed = firing_under([alert for alert in given if alert.triage == Triage.SNOOZED])
    rows = Alert.objects.filter(pk__in=wanted | hushed).select_for_update(of=("self",)).order_by("alert_id")
    return [alert for alert in rows.select_related("rule", "user", "triaged_by") if alert.pk in wanted]


def _refusal(alert: Alert, decision: _Decision) -> Refusal | None:
    if alert.triage == Triage.CLOSED and Triage.CLOSED not in {decision.to, *decision.leaves}:
        return Refusal(alert, "closed", f"It is closed{_by(alert)}. Reopen it first.")
    return decision.refuse(alert)


def _bad_snooze(alert: Alert, at: datetime, until: datetime) -> Refusal | None:
    longest = LONGEST_SNOOZE[Severity(alert.severity)]
    if until <= at:
        return Refusal(alert, "snooze_in_past", "A snooze ends in the future.")
    if until > at + longest:
        minutes = int(longest.total_seconds() // 60)
        return Refusal(alert, "snooze_too_long", f"{alert.severity} can be snoozed for {minutes} minutes at most.")
    return None


def _other(alert: Alert, reason: CloseReason) -> Refusal | None:
    if alert.triage == Triage.CLOSED and alert.close_reason != reason:
        was = alert.get_close_reason_display()
        return Refusal(alert, "closed", f"It is closed as {was}{_by(alert)}. Reopen it first.")
    return None


def _by(alert: Alert) -> str:
    return f" by {alert.triaged_by.shown_name}" if alert.triaged_by else ""


def _write(alerts: Collection[Alert], decision: _Decision) -> list[Alert]:
    """Carry the decision out on locked alerts; raises RuntimeError if a row is not as it was locked."""
    if not alerts:
        return []
    was = {alert.pk: alert.triage for alert in alerts}
    cleared: dict[str, Any] = {"snoozed_until": None, "triage_before_snooze": "", "close_reason": ""}
    whose = {"triaged_by": decision.by, "triaged_at": decision.at} if decision.by is not None else {}
    values = {**cleared, "triage": decision.to, **whose, **decision.writes}
    rows = Alert.objects.filter(pk__in=was, triage__in=decision.leaves)
    if rows.update(**values, revision=F("revision") + 1, changed_at=decision.at) != len(was):
        raise RuntimeError("A locked alert changed.")
    changed = _read(was)
    audit_add(
        change_of(
            alert,
            action=decision.action,
            at=decision.at,
            was=was[alert.pk],
            became=decision.to,
            by=decision.by,
            note=decision.note,
        )
        for alert in changed
    )
    _tell(changed)
    return changed


def _wake(alerts: Collection[Alert], decision: _Decision) -> None:
    """Where a decision about these, as they were, ended a snooze before its time, what it hushed and nobody looks after
    has `renewed_at`: it may be told of again."""
    over = [alert for alert in alerts if alert.triage == Triage.SNOOZED != decision.to]
    hushed = firing_under(over)
    if not hushed:
        return
    woken = Alert.objects.filter(pk__in=hushed, triage=Triage.NEW)
    others = list(woken.exclude(pk__in=[alert.pk for alert in alerts]).values_list("pk", flat=True))
    woken.update(renewed_at=decision.at, changed_at=decision.at)
    Alert.objects.filter(pk__in=others).update(revision=F("revision") + 1)
    changed = _read(others)
    audit_add(change_of(alert, action="snooze_gone", at=decision.at, by=decision.by) for alert in changed)
    _tell(changed)


def _comment(alerts: Collection[Alert], *, by: User, at: datetime, note: str) -> list[Alert]:
    pks = [alert.pk for alert in alerts]
    Alert.objects.filter(pk__in=pks).update(revision=F("revision") + 1, changed_at=at)
    commented = _read(pks)
    audit_add(change_of(alert, action="comment", at=at, by=by, note=note) for alert in commented)
    _tell(commented)
    return commented


def _read(pks: Iterable[Any]) -> list[Alert]:
    rows = Alert.objects.filter(pk__in=list(pks)).order_by("alert_id")
    return list(rows.select_related("rule", "user", "triaged_by"))


def _tell(alerts: Collection[Alert]) -> None:
    outbox_add(alerts)
    announce_on_commit(alerts)


def _only(triaged: Triaged) -> Alert:
    if triaged.refused:
        raise TriageError(triaged.refused[0])
    rows = (*triaged.changed, *triaged.already)
    if not rows:
        raise Alert.DoesNotExist("The alert is gone.")
    return rows[0]
