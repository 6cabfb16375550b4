"""A hundred people alarm at once: what a channel is told one by one, and what together."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts.models import Alert, Delivery, Notice, Route
from alerts.notify import deliver
from alerts.notify.storms import Room
from alerts.services.triage import alerts_snooze
from devices.models import Assignment, User
from tests.alerts.notify.hook import Hook, Round
from tests.made import NOON, make_alert, make_rule, make_wearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.notify.storms.MOST", 2)
    monkeypatch.setattr("alerts.notify.storms.MOST_URGENT", 4)


def second(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def storm(analyst: User, count: int, *, at: datetime = NOON, severity: str = "HIGH", name: str = "s") -> list[Alert]:
    """So many people alarm at once."""
    people = [make_wearer(f"{name}{number}") for number in range(count)]
    Assignment.objects.bulk_create(Assignment(analyst=analyst, wearer=person) for person in people)
    return [make_alert(person, rule=make_rule("storm"), severity=severity, opened_at=at) for person in people]


def states() -> Counter[tuple[str, str]]:
    return Counter(Delivery.objects.values_list("kind", "state"))


def test_beyond_a_few_messages_one_says_how_many_more(alice: User, route: Route, listener: Hook, tell: Round) -> None:
    storm(alice, 7)
    tell(NOON)
    assert listener.kinds == [("start", "HIGH")] * 2
    assert states() == {("start", "sent"): 2, ("start", "bundled"): 5, ("more", "pending"): 1}
    for late in (10, 29, 31, 40):
        tell(second(late))
    more = listener.told[2:]
    assert [(each["kind"], each["count"], each["severity"]) for each in more] == [("more", 5, "HIGH")]
    assert more[0]["title"] == "Telara: and 5 more, HIGH at worst"
    assert "user_id" not in more[0]
    assert Delivery.objects.get(kind="more").note == "5 told together"


def test_five_minutes_later_it_speaks_one_by_one_again(alice: User, route: Route, listener: Hook, tell: Round) -> None:
    storm(alice, 3)
    tell(NOON)
    tell(second(31))
    storm(alice, 1, at=second(301), name="later")
    tell(second(301))
    assert [kind for kind, _ in listener.kinds] == ["start", "start", "more", "start"]


def test_messages_about_many_are_five_minutes_apart(alice: User, route: Route, listener: Hook, tell: Round) -> None:
    storm(alice, 3)
    tell(NOON)
    tell(second(31))
    storm(alice, 4, at=second(60), name="later")
    for at in (60, 100, 200, 330):
        tell(second(at))
    assert [kind for kind, _ in listener.kinds].count("more") == 1
    tell(second(332))
    assert [each["count"] for each in listener.told if each["kind"] == "more"] == [1, 4]


def test_only_what_is_critical_and_new_comes_through_up_to_a_higher_limit(
    alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    storm(alice, 2)
    tell(NOON)
    Route.objects.update(wait_min=1)  # escalated, which makes nothing urgent
    notice = Notice.objects.select_related("route")[0]

    def leaves(kind: str, severity: str) -> bool:
        message = Delivery(channel=route.channel, notice=notice, kind=kind, severity=severity, attempts=1)
        return Room([message], at=second(5)).takes(message)

    assert [leaves(kind, "CRITICAL") for kind in ("start", "again", "higher")] == [True] * 3
    assert [leaves(kind, "CRITICAL") for kind in ("still", "end", "withdrawn")] == [False] * 3
    assert not leaves("start", "HIGH")
    storm(alice, 3, at=second(5), severity="CRITICAL", name="bad")
    tell(second(5))
    tell(second(65))
    assert listener.kinds[:4] == [("start", "HIGH")] * 2 + [("start", "CRITICAL")] * 2
    assert states()["start", "bundled"] == 1


def test_a_critical_beyond_the_limit_makes_the_message_about_many_leave_soon_and_lead_to_it(
    alice: User, route: Route, listener: Hook, tell: Round, settings: Any
) -> None:
    settings.TELARA_URL = "https://telara.example.org"
    storm(alice, 3)
    tell(NOON)
    tell(second(31))
    storm(alice, 2, at=second(35), name="later")
    tell(second(35))
    assert Delivery.objects.get(kind="more", state="pending").next_at == second(331)
    storm(alice, 3, at=second(40), severity="CRITICAL", name="bad")
    tell(second(40))
    tell(second(69))
    assert listener.kinds[3:] == [("start", "CRITICAL")] * 2
    tell(second(70))
    more = listener.told[-1]
    assert (more["kind"], more["count"], more["severity"]) == ("more", 3, "CRITICAL")
    alert = Alert.objects.get(membership__incident__notices__deliveries__in=critical_bundled())
    assert more["worst_url"] == f"https://telara.example.org/alerts/{alert.pk}/"


def critical_bundled() -> Any:
    return Delivery.objects.filter(state="bundled", severity="CRITICAL")


def test_incidents_are_counted_once_and_ends_apart(
    alice: User, route: Route, listener: Hook, tell: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.notify.storms.MOST_URGENT", 2)
    storm(alice, 3)
    tell(NOON)
    waits = Delivery.objects.get(state="bundled").notice
    assert waits
    others = Alert.objects.exclude(user=waits.incident.user)
    others.update(episode="ended", end="cleared", ended_at=second(5), changed_at=second(5))
    make_alert(waits.incident.user, rule=make_rule("worse"), severity="CRITICAL", opened_at=second(4))
    tell(second(5))
    assert (states()["higher", "bundled"], states()["end", "bundled"]) == (1, 2), states()
    tell(second(31))
    more = listener.told[-1]
    assert (more["count"], more["ended"], more["severity"]) == (1, 2, "CRITICAL")
    assert more["title"] == "Telara: and 1 more, CRITICAL at worst; 2 ended"
    assert Delivery.objects.get(kind="start", state="dropped").note == "a worse one was told"


def test_ends_alone_are_told_as_such(alice: User, route: Route, listener: Hook, tell: Round) -> None:
    storm(alice, 2)
    tell(NOON)
    Alert.objects.update(episode="ended", end="cleared", ended_at=second(5), changed_at=second(5))
    tell(second(5))
    tell(second(35))
    assert listener.told[-1]["title"] == "Telara: and 2 more ended"
    assert listener.told[-1]["severity"] is None


def test_what_may_have_arrived_is_sent_again_by_itself_however_many_there_are(
    alice: User, route: Route, listener: Hook, tell: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "notify_before_note":
            raise Killed

    monkeypatch.setattr("alerts.notify.storms.MOST", 1)
    storm(alice, 1)
    with monkeypatch.context() as dying:
        dying.setattr("alerts.notify.deliver.reach", die)
        with pytest.raises(Killed):
            tell(NOON)
    storm(alice, 1, at=second(10), name="later")
    tell(second(10))
    assert states() == {("start", "pending"): 1, ("start", "bundled"): 1, ("more", "pending"): 1}
    monkeypatch.setattr("alerts.notify.storms.MOST", 0)
    tell(NOON + deliver.LEASE)
    assert Counter(each["kind"] for each in listener.told) == {"start": 2, "more": 1}  # some leave side by side
    first, again = (each for each in listener.told if each["kind"] == "start")
    assert first == again


def test_what_is_critical_does_not_wait_behind_a_storm(
    alice: User, route: Route, listener: Hook, tell: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.notify.deliver.AT_ONCE", 1)
    storm(alice, 2)
    storm(alice, 1, at=second(5), severity="CRITICAL", name="bad")
    tell(second(5))
    assert listener.kinds == [("start", "CRITICAL")]


def test_an_end_is_told_of_what_was_told_with_others(alice: User, route: Route, listener: Hook, tell: Round) -> None:
    alerts = storm(alice, 3)
    tell(NOON)
    tell(second(31))
    bundled = Delivery.objects.get(state="bundled")
    assert bundled.notice
    assert bundled.notice.sent_at == second(31)
    Alert.objects.filter(pk__in=[each.pk for each in alerts]).update(
        episode="ended", end="cleared", ended_at=second(400), changed_at=second(400)
    )
    tell(second(400))
    tell(second(431))
    assert [kind for kind, _ in listener.kinds] == ["start", "start", "more", "end", "end", "more"]


def test_an_end_waits_until_it_is_known_whether_the_start_was_told(
    alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    storm(alice, 3)
    tell(NOON)
    bundled = Delivery.objects.get(state="bundled")
    assert bundled.notice
    Alert.objects.filter(membership__incident=bundled.notice.incident).update(
        episode="ended", end="cleared", ended_at=second(5), changed_at=second(5)
    )
    tell(second(5))
    assert not Notice.objects.get(pk=bundled.notice.pk).over
    tell(second(31))
    assert listener.kinds[-1] == ("more", "HIGH")
    tell(second(40))
    assert Notice.objects.get(pk=bundled.notice.pk).over
    assert Delivery.objects.filter(notice=bundled.notice, kind="end").count() == 1


def test_what_is_snoozed_or_not_theirs_by_then_is_not_counted_and_its_end_is_not_told(
    alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    storm(alice, 5)
    tell(NOON)
    waiting = Delivery.objects.filter(state="bundled").values("notice__incident")
    snoozed, unseen, _ = Alert.objects.filter(membership__incident__in=waiting)
    alerts_snooze(alerts=[snoozed], by=alice, at=second(5), until=second(600))
    Assignment.objects.filter(wearer=unseen.user_id).delete()
    tell(second(31))
    assert [each["count"] for each in listener.told if each["kind"] == "more"] == [1]
    assert states()["start", "dropped"] == 2
    assert Notice.objects.filter(sent_at=None).count() == 2
    Alert.objects.filter(pk=snoozed.pk).update(
        episode="ended", end="cleared", ended_at=second(400), changed_at=second(400)
    )
    tell(second(400))
    assert not Delivery.objects.filter(kind="end").exists()


def test_where_the_worst_of_them_is_snoozed_by_then_the_rest_of_its_incident_is_told(
    alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    alerts = storm(alice, 3)
    for alert in alerts:
        make_alert(alert.user, rule=make_rule("mild"), severity="MEDIUM", alert_type="FEVER", opened_at=NOON)
    tell(NOON)
    alerts_snooze(alerts=alerts, by=alice, at=second(5), until=second(600))
    for at in (31, 32, 63, 64, 300):
        tell(second(at))
    assert listener.kinds[2:] == [("more", "MEDIUM")]


def test_nothing_is_sent_where_all_of_them_are_snoozed(alice: User, route: Route, listener: Hook, tell: Round) -> None:
    alerts = storm(alice, 4)
    tell(NOON)
    alerts_snooze(alerts=alerts, by=alice, at=second(5), until=second(600))
    tell(second(31))
    assert [kind for kind, _ in listener.kinds] == ["start", "start"]
    assert states()["more", "dropped"] == 1


def test_nothing_is_lost_silently_where_the_message_about_many_fails(
    alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    storm(alice, 3)
    tell(NOON)
    listener.answers[:] = [410]
    tell(second(31))
    assert states() == {("start", "sent"): 2, ("start", "failed"): 1, ("more", "failed"): 1}
    failed = Delivery.objects.get(kind="start", state="failed")
    assert "410" in failed.note
    assert failed.done_at == second(31)
    storm(alice, 1, at=second(60), name="later")
    tell(second(60))
    assert Delivery.objects.get(kind="more", state="pending").next_at == second(90), "nobody had been told of many"
