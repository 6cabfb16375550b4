"""Incidents stay what the alerts make them, whatever becomes of these, and keep their ids."""

import random
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert, Incident, IncidentMember
from alerts.notify.grouping import Span, together
from alerts.notify.incidents import incidents_update
from devices.models import User
from tests.made import NOON, make_alert, make_rule, make_wearer

pytestmark = pytest.mark.django_db


def minute(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def alert_of(user: User | None, start: float, end: float | None = None, **fields: object) -> Alert:
    over = {"episode": "firing"} if end is None else {"episode": "ended", "end": "cleared"}
    times = {"started_at": minute(start), "opened_at": minute(start), "ended_at": minute(start if end is None else end)}
    return make_alert(user, changed_at=NOON, **{**over, **times, **fields})


def change(alert: Alert, **fields: object) -> None:
    Alert.objects.filter(pk=alert.pk).update(changed_at=NOON, **fields)


def incident_of(alert: Alert) -> Incident:
    return Incident.objects.get(members__alert=alert)


def standing() -> set[frozenset[UUID]]:
    """The incidents as rows have them: by the alerts that stand."""
    found: dict[UUID, set[UUID]] = {}
    for alert_id, incident in IncidentMember.objects.exclude(episode="withdrawn").values_list("alert", "incident"):
        found.setdefault(incident, set()).add(alert_id)
    return {frozenset(each) for each in found.values()}


def right() -> set[frozenset[UUID]]:
    """The same, put together from all alerts at once."""
    groups: dict[tuple[object, str], list[Span]] = {}
    for alert in Alert.objects.exclude(episode="withdrawn"):
        end = None if alert.episode == "firing" else alert.ended_at
        groups.setdefault((alert.user_id, alert.alert_class), []).append(Span(alert.pk, alert.started_at, end))
    return {frozenset(each.alert_id for each in group) for spans in groups.values() for group in together(spans)}


def test_those_of_a_person_and_class_that_overlap_are_one() -> None:
    ann, bob = make_wearer(), make_wearer("user_002")
    first, second, later = alert_of(ann, 0, 5), alert_of(ann, 4, 9, severity="CRITICAL"), alert_of(ann, 20, 21)
    technical, his, nobodys = alert_of(ann, 3, alert_class="technical"), alert_of(bob, 3), alert_of(None, 3)
    assert incidents_update(at=NOON) == 6
    assert incidents_update(at=NOON) == 0
    assert incident_of(first) == incident_of(second)
    assert len({incident_of(each).pk for each in (first, later, technical, his, nobodys)}) == 5
    one = incident_of(first)
    assert (one.state, one.severity, one.started_at, one.ended_at) == ("ended", "CRITICAL", minute(0), minute(9))
    assert (incident_of(his).state, incident_of(his).ended_at, incident_of(nobodys).user) == ("open", None, None)


def test_a_quiet_alert_is_a_member_and_makes_nothing_loud() -> None:
    ann = make_wearer()
    quiet = alert_of(ann, 0, severity="CRITICAL", quiet=True, quiet_reason="late")
    incidents_update(at=NOON)
    assert (incident_of(quiet).loud, incident_of(quiet).severity) == (False, "CRITICAL")
    alert_of(ann, 1, severity="LOW", rule=make_rule("other"))
    incidents_update(at=NOON)
    assert (incident_of(quiet).loud, incident_of(quiet).severity) == (True, "LOW")


def test_one_that_joins_two_makes_them_one_and_the_first_goes_on() -> None:
    ann = make_wearer()
    first, second = alert_of(ann, 0, 2), alert_of(ann, 5, 6)
    incidents_update(at=NOON)
    was, gone = incident_of(first), incident_of(second)
    bridge = alert_of(ann, 1, 5)
    incidents_update(at=NOON)
    gone.refresh_from_db()
    assert incident_of(first) == incident_of(second) == incident_of(bridge) == was
    assert (gone.state, gone.merged_into) == ("merged", was)
    change(bridge, episode="withdrawn", withdrawn_because="evidence_gone")
    incidents_update(at=NOON)
    assert incident_of(first) == was != incident_of(second)


def test_one_of_which_nothing_stands_is_withdrawn_and_comes_back_with_its_alert() -> None:
    alert = alert_of(make_wearer(), 0)
    incidents_update(at=NOON)
    was = incident_of(alert)
    change(alert, episode="withdrawn", withdrawn_because="evidence_gone")
    incidents_update(at=NOON)
    assert incident_of(alert).state == "withdrawn"
    change(alert, episode="firing", withdrawn_because="")
    incidents_update(at=NOON)
    assert (incident_of(alert), incident_of(alert).state) == (was, "open")


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_to_alerts_they_are_as_if_put_together_at_once(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # not a secret
    people = [make_wearer(), make_wearer("user_002"), None]
    rules = [make_rule(f"rule-{number}") for number in range(100)]
    alerts: list[Alert] = []
    for _ in range(30):
        for _ in range(chance.randrange(4)):
            if not alerts or chance.random() < 0.4:
                start, firing = chance.randrange(60), chance.random() < 0.1
                classes = chance.choice(["clinical", "clinical", "technical"])
                end = None if firing else start + chance.randrange(8)
                rule = rules[len(alerts) % len(rules)]
                alerts.append(alert_of(chance.choice(people), start, end, alert_class=classes, rule=rule))
                continue
            alert = chance.choice(alerts)
            start = chance.randrange(60)
            over = {"episode": "ended", "end": "cleared", "ended_at": minute(start + chance.randrange(8))}
            moved = {"started_at": minute(start), "opened_at": minute(start), **over}
            change(alert, **chance.choice([moved, {"episode": "withdrawn"}, moved]))
        incidents_update(at=NOON, limit=chance.choice([1, 500]))
    while incidents_update(at=NOON):
        pass
    assert standing() == right()
    spans = {row.pk: row for row in Incident.objects.all()}
    for incident in spans.values():
        members = Alert.objects.filter(membership__incident=incident).exclude(episode="withdrawn")
        assert (incident.state in ("withdrawn", "merged")) == (not members)
        if members:
            assert incident.started_at == min(each.started_at for each in members)


def test_a_firing_alert_that_grows_is_not_looked_at_again() -> None:
    alert = alert_of(make_wearer(), 0)
    incidents_update(at=NOON)
    change(alert, ended_at=minute(5), event_count=99, revision=7)
    assert incidents_update(at=NOON) == 0


def test_a_hundred_people_take_as_few_queries_as_one() -> None:
    counts = []
    incidents_update(at=NOON)
    for numbers in (range(1), range(1, 101)):
        for number in numbers:
            alert_of(make_wearer(f"many_{number}"), 0)
        with CaptureQueriesContext(connection) as queries:
            assert incidents_update(at=NOON) == len(numbers)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 16
