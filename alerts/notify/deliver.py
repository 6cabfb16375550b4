"""Messages on their way: claimed, looked at once more, sent, noted. At least once, under one id.

A message is claimed by a commit before it is sent, and noted after; whoever is killed in between leaves it claimed for
LEASE, and then it is sent again. One run at a time, by an advisory lock of the session; it sends to several places at
once, begins none after BEGINS_S, and waits for none after RUN_S. What it did not begin it gives back untried.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.urls import reverse

from alerts.models import Alert, Delivery, Notice
from alerts.models.alert import EpisodeState, Severity
from alerts.notify.couriers import Couriers, Job
from alerts.notify.decide import RANK
from alerts.notify.message import Message, Told
from alerts.notify.notices import members_of, notice_of, notice_untold
from alerts.notify.sealing import UnreadableError, unseal
from alerts.notify.senders import SEND_S, Outcome, Target, send
from alerts.notify.storms import LEASE, Room, bundle_add, bundle_arrived, bundle_counted, bundle_given_up
from alerts.notify.wanted import ROUTE_GONE, reason_not_to
from alerts.reworded import description_in
from devices.alone import alone
from devices.failpoints import reach
from devices.models import User
from devices.rights.watching import may_see

log = structlog.get_logger(__name__)
LOCK: Final = 0x7E1A_0011  # advisory lock of a session: a second run leaves
AT_ONCE: Final = 64  # messages a run
AT_ONCE_EACH: Final = 16  # of one owner, before it is the turn of all others
BEGINS_S: Final = 5.0  # so long a run begins to send: what is made meanwhile waits for its end
RUN_S: Final = BEGINS_S + SEND_S
BACKOFF: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900))
MOST_ATTEMPTS: Final = len(BACKOFF) + 1
TOLD_MOST: Final = 10
KEPT_FOR: Final = timedelta(days=30)


def deliveries_send(*, at: datetime) -> int:
    """Send what is due, AT_ONCE at most; how many arrived.

    Raises ExceptionGroup, once all others have left, where a message could not be put together.
    """
    with alone(LOCK) as mine:
        if not mine:
            return 0
        broken: list[Exception] = []
        leaving = _leaving(_claim(at), at, broken)
        reach("notify_after_claim")
        arrived = 0
        for job, outcome in _sent(leaving, at, broken):
            reach("notify_before_note")
            _note(job, outcome, at=at)
            arrived += outcome.arrived
        reach("notify_after_note")
    if broken:
        raise ExceptionGroup("Some messages could not be put together.", broken)
    return arrived


def deliveries_forget(*, at: datetime) -> int:
    """Delete what is older than KEPT_FOR; how many."""
    return Delivery.objects.filter(made_at__lt=at - KEPT_FOR).exclude(state=Delivery.State.PENDING).delete()[0]


def _claim(at: datetime) -> list[Delivery]:
    """Those that are due, CRITICAL ones first, each with one attempt more and due again when the lease is over;
    committed. Of an owner who has very many due, AT_ONCE_EACH go before those of others, and the rest after."""
    worst_first = Case(When(severity=Severity.CRITICAL, then=Value(0)), default=Value(1))
    place = Window(RowNumber(), partition_by="channel__owner", order_by=[worst_first, "next_at"])
    with transaction.atomic():
        due = Delivery.objects.filter(state=Delivery.State.PENDING, next_at__lte=at)
        in_turn = due.annotate(turn=(place - 1) / AT_ONCE_EACH).order_by("turn", worst_first, "next_at")
        order = {pk: number for number, pk in enumerate(in_turn.values_list("pk", flat=True)[:AT_ONCE])}
        free = due.filter(pk__in=order).select_for_update(skip_locked=True)
        claimed = list(free.values_list("pk", flat=True))
        Delivery.objects.filter(pk__in=claimed).update(attempts=F("attempts") + 1, next_at=at + LEASE)
    return sorted(_read(claimed), key=lambda each: order[each.pk])


def _read(pks: Sequence[UUID]) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(pk__in=pks)
    return rows.select_related("channel__owner", "notice__route__owner", "notice__incident__user")


def _mine(delivery: Delivery) -> QuerySet[Delivery]:
    """Its row, where it is still as this attempt claimed it."""
    return Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.PENDING, attempts=delivery.attempts)


def _leaving(deliveries: Sequence[Delivery], at: datetime, broken: list[Exception]) -> list[Delivery]:
    """Those that are to leave now by themselves; what goes wrong with one is put to `broken`, and holds no other one
    back."""
    room = Room(deliveries, at=at)
    leaving = []
    for delivery in deliveries:
        try:
            if not _stays(delivery, room, at):
                leaving.append(delivery)
        except Exception as error:  # noqa: BLE001  # raised by the caller, after the others have left
            broken.append(error)
    return leaving


def _stays(delivery: Delivery, room: Room, at: datetime) -> bool:
    """Whether it does not leave by itself now, which is noted: given up, held back, or told with others."""
    if delivery.attempts > MOST_ATTEMPTS:
        _give_up(delivery, Delivery.State.FAILED, "It was tried too often.", at)
    elif _is_unwanted(delivery, at):
        pass
    elif not room.takes(delivery):
        bundle_add(delivery, at=at)
    else:
        return False
    return True


def _is_unwanted(delivery: Delivery, at: datetime) -> bool:
    """Whether it is dropped or held back as things are now, which is noted."""
    reason = _reason_not_to(delivery, at)
    if isinstance(reason, datetime):
        _mine(delivery).update(next_at=reason, attempts=F("attempts") - 1)
    elif reason is not None:
        _give_up(delivery, Delivery.State.DROPPED, reason, at)
    return reason is not None


def _prepare(claimed: Delivery, at: datetime) -> Job | None:
    """The message and where it goes, looked at once more; None where it does not leave now, which is noted."""
    delivery = _read([claimed.pk]).filter(pk__in=_mine(claimed).values("pk")).first()
    if delivery is None or _is_unwanted(delivery, at):
        return None
    channel, message = delivery.channel, _message(delivery, at)
    if message is None:
        _give_up(delivery, Delivery.State.DROPPED, "none of them is to be told any more", at)
        return None
    try:
        secret = unseal(channel.sealed_secret) if channel.sealed_secret else ""
        target = Target(channel.kind, unseal(channel.sealed_address), secret, settings.TELARA_NOTIFY_NETWORKS)
    except UnreadableError as error:
        _give_up(delivery, Delivery.State.FAILED, f"{error} Set it up anew.", at)
        return None
    return Job(delivery, target, message)


def _reason_not_to(delivery: Delivery, at: datetime) -> str | datetime | None:
    """What has become of it since it was decided on: a reason to drop it, or until when to hold it back."""
    if not delivery.channel.owner.is_active:
        return "its owner may not sign in any more"
    if delivery.kind in (Delivery.Kind.TEST, Delivery.Kind.MORE):
        return None
    notice = delivery.notice
    if notice is None:
        return ROUTE_GONE
    sees = may_see(user=notice.route.owner, person_id=notice.incident.user_id)
    return reason_not_to(delivery, members_of([notice.incident_id], at=at)[notice.incident_id], sees=sees, at=at)


def _message(delivery: Delivery, at: datetime) -> Message | None:
    """What it says; None where nothing is left to be said."""
    base, notice = settings.TELARA_URL.rstrip("/"), delivery.notice
    if delivery.kind == Delivery.Kind.MORE:
        return _message_of_many(delivery, base, at)
    if notice is None:
        return Message(delivery.pk, delivery.kind, delivery.made_at, url=f"{base}/" if base else "")
    incident, worst = notice.incident, _worst_first(notice)
    details = notice.route.with_details
    return Message(
        message_id=delivery.pk,
        kind=delivery.kind,
        made_at=delivery.made_at,
        severity=delivery.severity,
        alert_class=incident.alert_class,
        incident_id=incident.pk,
        url=_alert_url(base, worst),
        whose=(incident.user.shown_name if incident.user else "Pipeline") if details else "",
        told=[_told(alert, notice.route.owner) for alert in worst[:TOLD_MOST]] if details else (),
    )


def _message_of_many(bundle: Delivery, base: str, at: datetime) -> Message | None:
    """How many they are; of a CRITICAL one it leads to the alert as well."""
    many = bundle_counted(bundle, at=at)
    if not many.incidents and not many.ended:
        return None
    is_critical = many.worst is not None and many.severity == Severity.CRITICAL
    return Message(
        bundle.pk,
        bundle.kind,
        bundle.made_at,
        many.severity,
        url=f"{base}{reverse('alerts')}" if base else "",
        count=many.incidents,
        ended=many.ended,
        worst_url=_alert_url(base, _worst_first(many.worst)) if is_critical and many.worst else "",
    )


def _worst_first(notice: Notice) -> list[Alert]:
    """The alerts of its incident that the route may tell of."""
    least = RANK[notice.route.least_severity]
    alerts = Alert.objects.filter(membership__incident=notice.incident_id, quiet=False).defer("evidence")
    return sorted(
        (alert for alert in alerts if RANK[alert.severity] >= least),
        key=lambda alert: (alert.episode == EpisodeState.WITHDRAWN, -RANK[alert.severity]),
    )


def _alert_url(base: str, alerts: Sequence[Alert]) -> str:
    return f"{base}{reverse('alert', args=[alerts[0].pk])}" if base and alerts else base


def _told(alert: Alert, reader: User) -> Told:
    """An alert in the reader's units and by their clock."""
    text = description_in(alert, reader.units, ZoneInfo(reader.time_zone))
    return Told(alert.pk, alert.title, Severity(alert.severity), alert.episode, text)


def _sent(deliveries: Sequence[Delivery], at: datetime, broken: list[Exception]) -> Iterator[tuple[Job, Outcome]]:
    """Send them, several at once, each looked at once more just before; give each with its outcome as it comes.

    What no thread was free for in time is given back, and those that take too long are left.
    """
    waiting, couriers, began_s = list(deliveries), Couriers(partial(_carry, at=at)), time.monotonic()
    while True:
        passed_s = time.monotonic() - began_s
        delivery = couriers.next_of(waiting) if passed_s < BEGINS_S else None
        if delivery is not None:
            waiting.remove(delivery)
            try:
                job = _prepare(delivery, at)
            except Exception as error:  # noqa: BLE001  # raised by the caller, after the others have left
                broken.append(error)
            else:
                if job is not None:
                    couriers.take(job)
        elif couriers.are_away and (done := couriers.wait(RUN_S - passed_s)):
            yield done
        else:
            break
    for each in waiting:
        _mine(each).update(next_at=at, attempts=F("attempts") - 1)


def _carry(job: Job, at: datetime) -> Outcome:
    try:
        return send(job.target, job.message, at=at)
    except Exception as error:  # noqa: BLE001  # of one of many services: noted, logged, tried again
        log.error("notification.broken", error=type(error).__name__)
        return Outcome(arrived=False, note=f"Telara could not send it ({type(error).__name__}).")


def _note(job: Job, outcome: Outcome, *, at: datetime) -> None:
    """What became of an attempt; nothing where the message was claimed again since."""
    delivery, is_many = job.delivery, job.delivery.kind == Delivery.Kind.MORE
    mine = _mine(delivery)
    if outcome.arrived:
        note = f"{job.message.count + job.message.ended} told together" if is_many else ""
        with transaction.atomic():
            notice_of(delivery)
            if mine.update(state=Delivery.State.SENT, next_at=None, done_at=at, note=note):
                Notice.objects.filter(deliveries=delivery.pk, deliveries__round=F("round")).update(sent_at=at)
                if is_many:
                    bundle_arrived(delivery, at=at)
        return
    log.warning("notification.not_sent", attempt=delivery.attempts, reason=outcome.note[:40])
    if outcome.again and delivery.attempts < MOST_ATTEMPTS:
        mine.update(next_at=at + BACKOFF[delivery.attempts - 1], note=outcome.note)
    else:
        _give_up(delivery, Delivery.State.FAILED, outcome.note, at)


def _give_up(delivery: Delivery, state: Delivery.State, note: str, at: datetime) -> None:
    """Of the attempt that was claimed, with all that it was to tell of."""
    with transaction.atomic():
        notice = notice_of(delivery)
        if not _mine(delivery).update(state=state, next_at=None, done_at=at, note=note):
            return
        if delivery.kind == Delivery.Kind.MORE:
            bundle_given_up(delivery, state=state, note=note, at=at)
        elif notice is not None:
            notice_untold(notice, delivery, because=note, at=at)
