"""From an alert to a message: what is told to whom, and when. Real rows, a real listener."""

from datetime import time

import pytest

from alerts.models import Alert, AlertChange, Channel, Delivery, Mute, Notice, Route
from alerts.notify.deliver import deliveries_send
from alerts.notify.incidents import incidents_update
from alerts.notify.notices import notices_decide
from alerts.services.mutes import mutes_end
from alerts.services.notifications import channel_make, route_make, route_switch
from alerts.services.triage import (
    alert_acknowledge,
    alert_close,
    alert_reopen,
    alert_snooze,
    alert_undo,
    snoozes_end,
)
from devices.models import Assignment, User
from tests.alerts.notify.happening import change, end, minute, worse
from tests.alerts.notify.hook import Hook, Round
from tests.made import NOON, make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db


def test_one_message_at_the_start_one_when_it_is_worse_one_at_the_end(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    for number in (0, 1, 2):
        tell(minute(number))
    second = worse(wearer, minute(2))
    tell(minute(3))
    end(alert, minute(4))
    tell(minute(4))
    end(second, minute(5))
    for number in (5, 6, 7):
        tell(minute(number))
    assert listener.kinds == [("start", "HIGH"), ("higher", "CRITICAL"), ("end", "CRITICAL")]
    assert len({each["id"] for each in listener.told}) == 3
    assert len({each["incident_id"] for each in listener.told}) == 1
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}


def test_nothing_is_told_of_what_is_quiet_too_mild_or_of_another_class(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    Route.objects.update(alert_class="clinical")
    make_alert(wearer, quiet=True, quiet_reason="late", severity="CRITICAL")
    make_alert(wearer, severity="LOW", rule=make_rule("mild"))
    make_alert(wearer, alert_class="technical", severity="CRITICAL", rule=make_rule("sensor"))
    tell(NOON)
    change(Alert.objects.get(quiet=True), minute(1), episode="withdrawn", withdrawn_because="evidence_gone")
    tell(minute(1))
    assert (listener.told, Delivery.objects.count()) == ([], 0)


def test_a_quiet_alert_that_turns_out_to_go_on_is_told(wearer: User, route: Route, listener: Hook, tell: Round) -> None:
    alert = make_alert(wearer, quiet=True, quiet_reason="cooldown")
    tell(NOON)
    change(alert, minute(5), quiet=False, quiet_reason=None)
    tell(minute(5))
    assert listener.kinds == [("start", "HIGH")]


def test_what_was_told_and_turns_out_to_be_nothing_is_withdrawn(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    tell(NOON)
    change(alert, minute(1), episode="withdrawn", withdrawn_because="evidence_gone")
    tell(minute(1))
    tell(minute(2))
    assert [kind for kind, _ in listener.kinds] == ["start", "withdrawn"]


def test_incidents_that_become_one_or_two_are_told_of_no_second_time(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    first = make_alert(wearer, episode="ended", end="cleared")
    second = make_alert(wearer, opened_at=minute(5), rule=make_rule("other"))
    tell(NOON)
    assert len(listener.told) == 2
    change(first, minute(6), ended_at=minute(6))
    tell(minute(6))
    change(first, minute(7), ended_at=minute(1))
    tell(minute(7))
    end(second, minute(8))
    tell(minute(8))
    tell(minute(9))
    assert [kind for kind, _ in listener.kinds].count("start") == 2


@pytest.mark.parametrize("is_over", [True, False])
def test_what_is_on_its_way_when_incidents_become_one_arrives(
    wearer: User, route: Route, listener: Hook, tell: Round, is_over: bool
) -> None:
    first = make_alert(wearer, episode="ended", end="cleared")
    tell(NOON)
    if is_over:
        tell(minute(1))
    second = worse(wearer, minute(5))
    listener.answers[:] = [500]
    incidents_update(at=minute(5))
    notices_decide(at=minute(5))
    deliveries_send(at=minute(5))
    before = len(listener.told)
    change(first, minute(6), ended_at=minute(6))
    tell(minute(6))
    assert listener.kinds[before:] == [("start", "CRITICAL")]
    end(second, minute(7))
    change(first, minute(7), ended_at=minute(7))
    tell(minute(7))
    assert listener.kinds[before + 1 :] == [("end", "CRITICAL")]
    assert not Delivery.objects.exclude(state="sent").exclude(kind="end")


def test_what_nobody_tried_to_send_is_not_told_where_it_became_part_of_what_was(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    first = make_alert(wearer, episode="ended", end="cleared")
    tell(NOON)
    make_alert(wearer, opened_at=minute(0.1), rule=make_rule("other"))
    incidents_update(at=minute(0.1))
    notices_decide(at=minute(0.1))
    change(first, minute(0.2), ended_at=minute(0.2))
    tell(minute(0.2))
    assert [kind for kind, _ in listener.kinds if kind != "end"] == ["start"]


def test_an_incident_that_parts_before_anything_arrived_is_told_of_as_two(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    first = make_alert(wearer)
    worse(wearer, minute(5))
    listener.answers[:] = [500]
    tell(minute(5))
    change(first, minute(6), episode="ended", end="cleared", ended_at=minute(1))
    tell(minute(6))
    tell(minute(7))
    assert ("start", "CRITICAL") in listener.kinds[1:]
    assert Notice.objects.count() == 2


def test_no_name_no_value_and_no_title_leave_unless_the_route_asks(
    wearer: User, route: Route, listener: Hook, tell: Round, settings
) -> None:
    settings.TELARA_URL = "https://telara.example.org"
    alert = make_alert(wearer)
    tell(NOON)
    body = listener.received[0][1].decode()
    assert not [word for word in ("Ann", "user_001", "118.4", "108-126", "Tachycardia", "bpm") if word in body]
    assert listener.told[0]["url"] == f"https://telara.example.org/alerts/{alert.pk}/"
    Route.objects.update(with_details=True)
    worse(wearer, minute(1))
    tell(minute(1))
    told = listener.told[1]
    assert (told["user_id"], {each["severity"] for each in told["alerts"]}) == ("Ann Walker", {"HIGH", "CRITICAL"})
    assert "108-126 bpm" in told["alerts"][1]["description"]


def test_steps_wait_repeat_and_stop_when_anybody_acknowledges(
    wearer: User, alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    Route.objects.update(wait_min=10, repeat_min=5, repeat_most=3)
    alert = make_alert(wearer)
    for number in (0, 9.9, 10, 14.9, 15, 16):
        tell(minute(number))
    assert listener.kinds == [("start", "HIGH"), ("still", "HIGH")]
    alert_acknowledge(alert=alert, by=make_user("bob", watches=(wearer,)), at=minute(17))
    for number in (20, 25, 39):
        tell(minute(number))
    assert len(listener.told) == 2
    end(alert, minute(40))
    tell(minute(40))
    assert listener.kinds[-1] == ("end", "HIGH")


def test_repeats_are_bounded(wearer: User, route: Route, listener: Hook, tell: Round) -> None:
    Route.objects.update(repeat_min=1, repeat_most=2)
    make_alert(wearer)
    for number in range(5):
        tell(minute(number))
    assert [kind for kind, _ in listener.kinds] == ["start", "still", "still"]


def test_a_snooze_is_silent_a_worse_one_pierces_and_when_it_ends_what_still_fires_is_told(
    wearer: User, alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    alert_snooze(alert=alert, by=alice, at=NOON, until=minute(10))
    tell(NOON)
    assert listener.told == []
    second = worse(wearer, minute(1))
    tell(minute(1))
    assert listener.kinds == [("start", "CRITICAL")]
    end(second, minute(2))
    snoozes_end(at=minute(10))
    tell(minute(10))
    assert listener.kinds[1:] == [("still", "HIGH")]


def test_an_episode_that_opens_within_a_snooze_is_told_when_that_ends_if_it_still_fires(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    alert_snooze(alert=alert, by=route.owner, at=NOON, until=minute(30))
    end(alert, minute(1))
    make_alert(wearer, opened_at=minute(10))
    for number in (0, 1, 10, 29):
        tell(minute(number))
    assert listener.told == []
    snoozes_end(at=minute(30))
    tell(minute(30))
    assert listener.kinds == [("start", "HIGH")]


@pytest.mark.parametrize("how", ["reopen", "acknowledge", "close", "undo"])
def test_what_a_snooze_hushed_is_told_when_somebody_ends_it(
    wearer: User, route: Route, listener: Hook, tell: Round, how: str
) -> None:
    alert = make_alert(wearer)
    alice = route.owner
    snoozed = alert_snooze(alert=alert, by=alice, at=NOON, until=minute(30))
    end(alert, minute(1))
    hushed = make_alert(wearer, opened_at=minute(10))
    for number in (0, 1, 10):
        tell(minute(number))
    assert listener.told == []
    ends = {
        "reopen": lambda: alert_reopen(alert=alert, by=alice, at=minute(12)),
        "acknowledge": lambda: alert_acknowledge(alert=alert, by=alice, at=minute(12)),
        "close": lambda: alert_close(alert=alert, by=alice, at=minute(12), reason="true"),
        "undo": lambda: alert_undo(alert=alert, by=alice, at=minute(12), revision=snoozed.revision),
    }
    ends[how]()
    tell(minute(12))
    assert listener.kinds == [("start", "HIGH")]
    woken = AlertChange.objects.get(action="snooze_gone")
    assert (woken.alert, woken.by) == (hushed, alice)


def test_what_is_muted_is_told_when_the_mute_ends_if_it_still_fires(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    muted = [alert.rule.rule_id]
    Mute.objects.create(user=wearer, rules=muted, starts_at=NOON, ends_at=minute(20), why="gym", made_at=NOON)
    for number in (0, 5):
        tell(minute(number))
    assert listener.told == []
    worse(wearer, minute(6))
    tell(minute(6))
    assert listener.kinds == [("start", "CRITICAL")]
    mutes_end(at=minute(20))
    tell(minute(20))
    assert listener.kinds[1:] == [("still", "CRITICAL")]


def test_that_a_mute_ended_is_not_told_after_what_was_told_since(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    muted = [make_alert(wearer).rule.rule_id]
    Mute.objects.create(user=wearer, rules=muted, starts_at=NOON, ends_at=minute(20), why="gym", made_at=NOON)
    tell(NOON)
    tell(minute(20.01))
    assert listener.kinds == [("start", "HIGH")]
    mutes_end(at=minute(20.02))
    tell(minute(20.03))
    assert listener.kinds == [("start", "HIGH")]


def test_quiet_hours_are_the_owners_and_critical_comes_through(
    wearer: User, alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo")  # 21:00 there at noon
    Route.objects.update(quiet_from=time(20), quiet_until=time(22))
    make_alert(wearer)
    tell(NOON)
    assert listener.told == []
    tell(minute(59))
    assert listener.told == []
    tell(minute(60))
    assert listener.kinds == [("start", "HIGH")]
    other = make_wearer("user_002")
    Assignment.objects.create(analyst=alice, wearer=other)
    Route.objects.update(quiet_until=time(23))
    make_alert(other, severity="CRITICAL", opened_at=minute(61))
    tell(minute(61))
    assert listener.kinds[1:] == [("start", "CRITICAL")]


def test_what_quiet_hours_held_back_is_not_told_once_somebody_looks_after_it(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    Route.objects.update(quiet_from=time(11), quiet_until=time(13))
    alert = make_alert(wearer)
    tell(NOON)
    alert_acknowledge(alert=alert, by=route.owner, at=minute(5))
    for number in (5, 60, 61):
        tell(minute(number))
    assert listener.told == []


def test_what_somebody_looks_after_and_a_reading_continues_is_not_told_again(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    tell(NOON)
    alert_acknowledge(alert=alert, by=route.owner, at=minute(1))
    end(alert, minute(2))
    tell(minute(2))
    change(alert, minute(3), episode="firing", end=None)
    tell(minute(3))
    assert [kind for kind, _ in listener.kinds] == ["start", "end"]


def test_quiet_hours_that_begin_before_it_leaves_hold_it_back(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    listener.answers[:] = [500]
    make_alert(wearer)
    tell(NOON)
    Route.objects.update(quiet_from=time(11), quiet_until=time(13))
    tell(minute(1))
    assert Delivery.objects.values_list("state", "attempts", "next_at").get() == ("pending", 1, minute(60))
    tell(minute(60))
    assert Delivery.objects.get().state == "sent"


def test_each_hears_of_those_they_may_see(
    wearer: User, channel: Channel, listener: Hook, tell: Round, settings
) -> None:
    people = {
        "alice": channel.owner,
        "themselves": wearer,
        "lead": make_user("lead", "view_all_wearers"),
        "stranger": make_user("stranger"),
    }
    for name, person in people.items():
        given = {"name": name, "kind": "webhook", "address": listener.url}
        made = (
            channel
            if person == channel.owner
            else channel_make(owner=person, networks=settings.TELARA_NOTIFY_NETWORKS, **given)[0]
        )
        Route.objects.create(owner=person, channel=made, least_severity="LOW")
    make_alert(wearer)
    make_alert(None, rule=make_rule("offset-gap"), alert_class="technical")
    tell(NOON)
    told = Delivery.objects.values_list("channel__owner__username", "notice__incident__alert_class")
    assert sorted(told) == [
        ("alice", "clinical"), ("lead", "clinical"), ("lead", "technical"), ("user_001", "clinical"),
    ]  # fmt: skip


def test_a_route_that_comes_later_is_not_told_of_what_somebody_looks_after(
    wearer: User, route: Route, listener: Hook, tell: Round
) -> None:
    alert = make_alert(wearer)
    tell(NOON)
    later = Route.objects.create(owner=route.owner, channel=route.channel, least_severity="LOW")
    alert_acknowledge(alert=alert, by=route.owner, at=minute(5))
    tell(minute(5))
    assert listener.kinds == [("start", "HIGH")], "nobody is woken because somebody acknowledged"
    make_alert(wearer, opened_at=minute(6), rule=make_rule("other"))
    tell(minute(6))
    assert listener.kinds[1:] == [("start", "HIGH")]
    assert Notice.objects.get(route=later).deliveries.count() == 1


def test_a_route_that_is_made_or_switched_on_tells_of_what_is_open_and_nobody_looks_after(
    wearer: User, alice: User, channel: Channel, listener: Hook, tell: Round
) -> None:
    others = [make_wearer(f"user_00{number}") for number in (2, 3)]
    Assignment.objects.bulk_create(Assignment(analyst=alice, wearer=other) for other in others)
    first, seen = make_alert(wearer), make_alert(others[0])
    alert_acknowledge(alert=seen, by=alice, at=NOON)
    make_alert(make_wearer("stranger"))
    tell(NOON)
    route = route_make(route=Route(owner=alice, channel=channel, least_severity="HIGH", repeat_most=2), at=minute(5))
    tell(minute(5))
    assert listener.kinds == [("start", "HIGH")]
    assert Delivery.objects.get().notice.incident.user == wearer
    route_switch(route=route, enabled=False, at=minute(6))
    make_alert(others[1], severity="CRITICAL", opened_at=minute(7))
    for number in (7, 11):
        tell(minute(number))
    assert len(listener.told) == 1
    route_switch(route=route, enabled=True, at=minute(12))
    tell(minute(12))
    assert sorted(listener.kinds[1:]) == [("start", "CRITICAL"), ("still", "HIGH")], "and it repeats again"
    end(first, minute(13))
    tell(minute(13))
    assert listener.kinds[-1] == ("end", "HIGH")


def test_a_route_about_one_person_says_nothing_of_others(
    wearer: User, alice: User, route: Route, listener: Hook, tell: Round
) -> None:
    other = make_wearer("user_002")
    Assignment.objects.create(analyst=alice, wearer=other)
    Route.objects.update(wearer=other)
    make_alert(wearer)
    tell(NOON)
    assert listener.told == []
    make_alert(other)
    tell(minute(1))
    assert len(listener.told) == 1
