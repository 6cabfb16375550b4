"""From a message to its end: tried again, given up, claimed anew, and its log."""

import threading
from contextlib import nullcontext
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest

from alerts.models import Alert, Channel, Delivery, Notice, Route
from alerts.notify import deliver
from alerts.notify.decide import RANK
from alerts.notify.deliver import BACKOFF, LEASE, deliveries_forget, deliveries_send
from alerts.notify.incidents import incidents_update
from alerts.notify.message import Message
from alerts.notify.notices import notices_decide
from alerts.notify.senders import Outcome, Target
from alerts.services.notifications import channel_make, channel_test
from alerts.services.triage import alert_acknowledge, alert_close, alert_snooze, alerts_snooze
from devices.models import Assignment, User
from tests.alerts.notify.happening import end, minute, worse
from tests.alerts.notify.hook import Hook, Round
from tests.made import NOON, make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
LOOPBACK = (ip_network("127.0.0.0/8"),)


def test_it_tries_again_later_each_time_and_in_the_end_gives_up(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    listener.answers[:] = [500, 503]
    make_alert(wearer)
    tell(NOON)
    assert (Delivery.objects.get().note, Delivery.objects.get().next_at) == ("It answered with 500.", NOON + BACKOFF[0])
    tell(NOON + timedelta(seconds=4))
    assert len(listener.told) == 1
    tell(NOON + timedelta(seconds=5))
    tell(NOON + timedelta(seconds=20))
    assert Delivery.objects.values_list("state", "attempts").get() == ("sent", 3)
    assert len({headers["webhook-id"] for headers, _ in listener.received}) == 1
    listener.answers[:] = [500] * 9
    worse(wearer, minute(1))
    for number in (1, 1.1, 1.4, 2.4, 7.4, 22.4, 60):
        tell(minute(number))
    failed = Delivery.objects.get(kind="higher")
    assert (failed.state, failed.attempts, len(listener.answers)) == ("failed", 6, 3)


def test_a_start_that_never_arrived_has_no_end(wearer: User, route: Route, listener: Hook, tell: Round) -> None:
    listener.answers[:] = [410]
    alert = make_alert(wearer)
    tell(NOON)
    end(alert, minute(1))
    tell(minute(1))
    tell(minute(2))
    assert (listener.kinds, Delivery.objects.get().state) == ([("start", "HIGH")], "failed")


@pytest.mark.parametrize("what", ["right", "owner", "route", "acknowledged", "snoozed"])
def test_what_changed_before_it_leaves_counts(
    wearer: User, route: Route, listener: Hook, tell: Round, what: str
) -> None:
    alice = route.owner
    listener.answers[:] = [500]
    alert = make_alert(wearer)
    tell(NOON)
    if what == "right":
        Assignment.objects.all().delete()
    elif what == "owner":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    elif what == "route":
        Route.objects.all().delete()
    elif what == "acknowledged":
        alert_acknowledge(alert=alert, by=alice, at=NOON)
    else:
        alert_snooze(alert=alert, by=alice, at=NOON, until=minute(10))
    for number in (1, 1.1, 1.2):
        tell(minute(number))
    assert (Delivery.objects.get().state, len(listener.told)) == ("dropped", 1)
    assert Delivery.objects.get().note != ""


def test_where_the_worst_is_closed_before_it_was_told_the_rest_is_told(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    listener.answers[:] = [500]
    make_alert(wearer)
    worst = worse(wearer, NOON)
    tell(NOON)
    alert_close(alert=worst, by=route.owner, at=minute(1), reason="false_alarm")
    for number in (1, 1.1, 1.2):
        tell(minute(number))
    assert listener.kinds[1:] == [("start", "HIGH")]
    assert Notice.objects.get().told == RANK["HIGH"]


def test_what_was_claimed_by_somebody_who_died_is_sent_again_under_the_same_id(
    wearer: User, channel: Channel, listener: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel_test(channel=channel, at=NOON)

    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "notify_before_note":
            raise Killed

    with monkeypatch.context() as dying:
        dying.setattr("alerts.notify.deliver.reach", die)
        with pytest.raises(Killed):
            deliveries_send(at=NOON)
    assert (len(listener.told), Delivery.objects.get().state) == (1, "pending")
    assert deliveries_send(at=NOON + LEASE / 2) == 0
    assert deliveries_send(at=NOON + LEASE) == 1
    first, second = listener.told
    assert first == second
    assert Delivery.objects.values_list("state", "attempts").get() == ("sent", 2)


def test_a_thousand_alerts_at_once_are_put_together_in_few_steps_and_told_by_no_route_twice(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    pattern = make_alert(wearer)
    values = {field.attname: getattr(pattern, field.attname) for field in Alert._meta.concrete_fields}
    Alert.objects.bulk_create(
        Alert(**(values | {"alert_id": uuid4(), "rule_id": make_rule(f"rule-{number}").pk})) for number in range(50)
    )
    assert incidents_update(at=NOON) == 51
    tell(NOON)
    assert (len(listener.told), Notice.objects.count()) == (1, 1)


@pytest.mark.parametrize("where", ["send", "_message"])
def test_a_message_that_breaks_holds_no_other_one_back(
    wearer: User, channel: Channel, listener: Hook, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    for number in range(3):
        Delivery.objects.create(channel=channel, kind="test", made_at=minute(number), next_at=NOON)
    broken = Delivery.objects.get(made_at=minute(1))
    right = getattr(deliver, where)

    def breaks(*given: Any, **options: Any) -> Any:
        if broken.pk in [getattr(each, "pk", None) or getattr(each, "message_id", None) for each in given]:
            raise ZeroDivisionError
        return right(*given, **options)

    monkeypatch.setattr(deliver, where, breaks)
    with pytest.raises(ExceptionGroup) if where == "_message" else nullcontext():
        deliveries_send(at=NOON)
    assert len(listener.told) == 2
    broken.refresh_from_db()
    assert (broken.state, broken.attempts) == ("pending", 1)


def test_a_notice_that_breaks_holds_no_other_one_back(
    wearer: User, alice: User, route: Route, listener: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Route.objects.create(owner=wearer, channel=route.channel)
    User.objects.filter(pk=wearer.pk).update(time_zone="Nowhere/Nothing")
    make_alert(wearer)
    incidents_update(at=NOON)
    with pytest.raises(ExceptionGroup):
        notices_decide(at=NOON)
    deliveries_send(at=NOON)
    assert len(listener.told) == 1
    assert Notice.objects.get(route=broken).next_at == minute(1)


def waiting(channel: Channel, *, since: float, count: int = 1) -> list[Delivery]:
    """So many messages that are due since then, oldest first."""
    times = [minute(since) + timedelta(seconds=number) for number in range(count)]
    return [Delivery.objects.create(channel=channel, kind="test", made_at=at, next_at=at) for at in times]


def test_what_no_thread_was_free_for_is_given_back_untried(
    channel: Channel, listener: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel_test(channel=channel, at=NOON)
    with monkeypatch.context() as late:
        late.setattr(deliver, "BEGINS_S", 0.0)
        for _ in range(7):
            assert deliveries_send(at=NOON) == 0
    assert Delivery.objects.values_list("state", "attempts", "next_at").get() == ("pending", 0, NOON)
    assert deliveries_send(at=NOON) == 1


def test_whoever_has_a_slow_service_keeps_nobody_else_waiting(
    channel: Channel, listener: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.notify.couriers.THREADS", 3)
    theirs, _ = channel_make(owner=make_user("bob"), name="b", kind="webhook", address=listener.url, networks=LOOPBACK)
    waiting(channel, since=-2, count=5)
    (last,) = waiting(theirs, since=-1)
    arrived = threading.Event()

    def send(target: Target, message: Message, *, at: datetime) -> Outcome:
        if message.message_id == last.pk:
            arrived.set()
        return Outcome(arrived=arrived.wait(10))

    monkeypatch.setattr(deliver, "send", send)
    assert deliveries_send(at=NOON) == 6


def test_whoever_has_many_waiting_does_not_take_every_place(
    channel: Channel, listener: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "AT_ONCE", 3)
    monkeypatch.setattr(deliver, "AT_ONCE_EACH", 2)
    theirs, _ = channel_make(owner=make_user("bob"), name="b", kind="webhook", address=listener.url, networks=LOOPBACK)
    mine, (last,) = waiting(channel, since=-2, count=4), waiting(theirs, since=-1)
    assert deliveries_send(at=NOON) == 3
    left = set(Delivery.objects.filter(state="pending").values_list("pk", flat=True))
    assert left == {mine[2].pk, mine[3].pk}
    last.refresh_from_db()
    assert last.state == "sent"


def test_what_is_critical_leaves_first(
    wearer: User, route: Route, listener: Hook, tell: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.notify.couriers.THREADS", 1)
    make_alert(wearer)
    incidents_update(at=NOON)
    notices_decide(at=NOON)
    other = make_wearer("user_002")
    Assignment.objects.create(analyst=route.owner, wearer=other)
    make_alert(other, severity="CRITICAL", opened_at=minute(1))
    tell(minute(1))
    assert listener.kinds == [("start", "CRITICAL"), ("start", "HIGH")]


def test_each_is_looked_at_once_more_just_before_it_leaves(
    wearer: User, route: Route, listener: Hook, tell: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.notify.couriers.THREADS", 1)
    other = make_wearer("user_002")
    Assignment.objects.create(analyst=route.owner, wearer=other)
    alerts = [make_alert(wearer), make_alert(other)]

    def snooze_both(point: str) -> None:
        if point == "notify_before_note":
            alerts_snooze(alerts=alerts, by=route.owner, at=NOON, until=minute(9))

    monkeypatch.setattr(deliver, "reach", snooze_both)
    tell(NOON)
    assert len(listener.told) == 1
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["dropped", "sent"]


def test_the_log_is_kept_for_a_month(channel: Channel) -> None:
    for days in (29, 31):
        Delivery.objects.create(
            channel=channel, kind="test", state="sent", made_at=NOON - timedelta(days=days), done_at=NOON
        )
    assert deliveries_forget(at=NOON) == 1
