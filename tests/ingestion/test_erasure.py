"""Forgetting a person: nothing that any table holds tells of them, and nothing is added any more."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from threading import Event, Thread
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alerts.models import (
    Alert,
    AlertChange,
    Channel,
    Delivery,
    DetectionState,
    DueHour,
    Incident,
    Notice,
    Route,
    SavedView,
    Summary,
)
from alerts.notify.incidents import incidents_update
from alerts.notify.sealing import seal
from alerts.outbox import outbox_add
from alerts.services.assignment import alerts_assign, assignment_undo
from alerts.services.triage import TriageError, alert_acknowledge, alert_comment
from dashboard.desk.query import read_query
from devices.account.mail import email_wish
from devices.account.second_factor import passkey_add
from devices.erasures import Failing, erasure_ask, erasure_undo, erasures_failing, name_hash
from devices.models import (
    AuditEntry,
    Baseline,
    Device,
    ErasedPerson,
    Erasure,
    Invitation,
    Look,
    MetricWindow,
    Reading,
    Simulation,
    Team,
    User,
    Verb,
)
from devices.rights.audit import audit_note
from devices.rights.teams import member_add, wearer_add
from devices.tokens import token_make
from ingestion import erasure as erasing
from ingestion.erasure import erasure_begin, erasure_go_on, erasures_step
from ingestion.erasure_traces import NAME_NOBODY
from ingestion.models import LateStretch, Mishap, PersonWriter, Placement, QuarantinedMessage
from ingestion.page.inspector import why_not_again
from ingestion.send.publish import AlertPublisher, dead_letter_json
from tests.ingestion.running import make_topic
from tests.ingestion.stream.test_pipeline import NOW, Shop, event
from tests.ingestion.topic import messages_of
from tests.made import make_alert, make_user, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
NAME, OTHER = "erika@x.org", "erika@x.org2"
DAY = timedelta(days=1)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def life_of(name: str, shop: Shop, watcher: User) -> User:
    """A person of whom every table knows something."""
    shop.write(event(name, vitals={"heart_rate": 70}), event(name, vitals={"heart_rate": "x"}), now=NOW)
    shop.write(event(name, at=NOW - timedelta(hours=1), vitals={"heart_rate": 60}), now=NOW)  # late
    user = User.objects.get(username=name)
    user.set_password("a secret of mine")
    user.email = f"{name}.mail"
    user.save()
    user.groups.create(name=f"friends of number {user.pk}")
    PersonWriter.objects.get(user=user)
    Device.objects.create(user=user, kind="ring")
    token_make(user=user, at=NOW, lifetime=DAY)
    user.watchers.create(analyst=watcher)
    at = {"received_at": NOW, "is_fresh": True, "flags": 0, "count": 1}
    MetricWindow.objects.create(user=user, size_s=60, every_s=60, ended_at=NOW, **at)
    Summary.objects.create(user=user, period="day", start=NOW, readings=2, metrics={}, alerts={}, made_at=NOW)
    Baseline.objects.create(user=user, valid_from=NOW, metric="heart_rate", local_hour=3, zone="UTC", values=1, days=1)
    state = {"reached_at": NOW, "rules": [], "runs": [], "saved_at": NOW}
    DetectionState.objects.update_or_create(user=user, source="reading", defaults=state)
    Look.objects.create(person=user, viewer=watcher, way="page", hour=NOW, at=NOW)
    alert = make_alert(user, opened_at=NOW)
    alert_acknowledge(alert=alert, by=watcher, at=NOW)
    alert_comment(alert=alert, by=user, at=NOW, note="it was me")
    give_and_take_back(user, watcher)
    incidents_update(at=NOW)
    for person in (user, watcher):
        given = {"name": f"phone {user.pk}", "kind": "webhook", "shown": "x", "sealed_address": seal("x")}
        channel = Channel.objects.create(owner=person, **given)
        route = Route.objects.create(owner=person, channel=channel, wearer=user)
        incident = Incident.objects.get(members__alert=alert)
        notice = Notice.objects.create(route=route, incident=incident, since=NOW)
        Delivery.objects.create(channel=channel, notice=notice, kind="start", state="sent", made_at=NOW, done_at=NOW)
    where = {"cluster_id": "c", "topic": "t", "partition": 0}
    Placement.objects.create(user_id=name, **where)
    LateStretch.objects.get_or_create(user_id=user.pk, defaults={"since": NOW, "until": NOW, **where})
    QuarantinedMessage.objects.create(
        **where, offset=user.pk, reason="x", key=name.encode(), payload=b"", size=0, received_at=NOW
    )
    Mishap.objects.create(event="split_person", at=NOW, text=f"{name} came by partition 3, before by 0.")
    Simulation.objects.create(runner="worker", wearer_id=name, starts_at=NOW, requested_at=NOW)
    log_of_staff(user, watcher)
    passkey_add(user=user, name=f"key of {name}", credential={})  # which ends the sessions from before
    browser = Client()
    browser.force_login(user)
    browser.get("/settings/")
    assert UserSession.objects.filter(user=user).exists()
    second = Client().post("/login/", {"username": name, "password": "a secret of mine"})
    assert second.url == "/login/second/"
    email_wish(user=user, email=f"{name}.mail")
    team = Team.objects.create(name=f"friends of {name}", description=f"whoever knows {name}")
    for join in (wearer_add, member_add):
        join(team=team, person=user)
    invited = {"secret_hash": str(user.pk), "role": "wearer", "made_at": NOW, "expires_at": NOW, "used_at": NOW}
    Invitation.objects.create(**invited, note=f"for {name}", made_by=user, used_by=user)
    audit_note(verb=Verb.TEAM_MADE, what=f"team {team.pk}", changes={"name": ("", name)}, by=user)
    return user


def log_of_staff(user: User, by: User) -> None:
    """What the admin wrote down of them, and of others where it names them."""
    name = user.username
    of_account = {"content_type": ContentType.objects.get_for_model(User), "object_id": str(user.pk)}
    LogEntry.objects.create(user=by, object_repr=name, action_flag=2, **of_account)
    named = json.dumps([{"added": {"name": "assignment", "object": f"{name} watches bob"}}])
    LogEntry.objects.create(user=by, object_repr=f"token of {name} until", action_flag=2, change_message=named)


def give_and_take_back(user: User, by: User) -> None:
    """An alert of somebody else that `user` had for a while."""
    patient = make_wearer(f"patient-{user.pk}")
    for analyst in (user, by):
        patient.watchers.create(analyst=analyst)
    theirs = make_alert(patient, opened_at=NOW)
    for to in (user, None):
        alerts_assign(alerts=[theirs], to=to, by=by, at=NOW)


def of_nobody(names: str) -> Alert:
    """An alert of the pipeline whose sentence names people, and what was sent of it."""
    from django.db import transaction

    text = f"{names} came by partition 3."
    alert = make_alert(None, description=text, evidence={"mishaps": [text]}, opened_at=NOW)
    with transaction.atomic():
        outbox_add(Alert.objects.filter(pk=alert.pk).select_related("rule", "user"))
    return alert


def traces_of(user_id: int, name: str) -> Iterator[str]:
    """Every table and column that still tells of a person: by their number where it says whose a row is, by their name
    anywhere, in bytes too."""
    numbers = {"user_id", "person_id", "viewer_id", "analyst_id", "wearer_id", "by_id", "triaged_by_id", "made_by_id"}
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        for field in model._meta.concrete_fields:
            is_person = field.is_relation and field.related_model is User
            is_number = (is_person or field.column in numbers) and field.get_internal_type() != "CharField"
            where = f'"{field.column}" = %s' if is_number else _names(field)
            with connection.cursor() as cursor:
                cursor.execute(f'SELECT count(*) FROM "{table}" WHERE {where}', [user_id if is_number else _like(name)])
                if cursor.fetchone()[0]:
                    yield f"{table}.{field.column}"
    if User.objects.filter(pk=user_id).exists():
        yield "the account"
    for session in Session.objects.all():
        if f'"{user_id}"' in json.dumps(session.get_decoded()):
            yield "a session"


def _names(field: Any) -> str:
    if field.get_internal_type() == "BinaryField":
        return f"encode(\"{field.column}\", 'escape') ~ %s"
    return f'"{field.column}"::text ~ %s'


def _like(name: str) -> str:
    return name.replace(".", r"\.") + "($|[^2])"


def run(user_id: int) -> int:
    """Go on until it is over; how many batches that took."""
    batches = 1
    while erasure_go_on(user_id=user_id):
        batches += 1
    return batches


def test_nothing_is_left_of_them_and_everything_of_others(shop: Shop) -> None:
    watcher = make_user("watcher")
    gone, stays = life_of(NAME, shop, watcher), life_of(OTHER, shop, watcher)
    of_nobody(f"{NAME}, {OTHER}")
    others = life_of("somebody-else", shop, watcher)
    SavedView.objects.create(user=watcher, name=f"of {NAME}", query=f"wearer={quote(NAME)}&who={quote(OTHER)}")
    alert_comment(alert=Alert.objects.get(user=others), by=gone, at=NOW, note="not like mine")
    before, known = set(traces_of(stays.pk, OTHER)), set(traces_of(gone.pk, NAME))
    assert len(known) > 25
    assert list(traces_of(gone.pk, NAME)).count("a session") == 2, "signed in, and about to be"
    erasure_ask(user=gone, at=NOW, grace=DAY)
    assert erasures_step(now=NOW + DAY, seconds=60) == 2
    assert list(traces_of(gone.pk, NAME)) == []
    assert set(traces_of(stays.pk, OTHER)) == before
    assert Alert.objects.get(user=None).description == f"somebody, {OTHER} came by partition 3."
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("of somebody", f"wearer=somebody&who={quote(OTHER)}")
    assert AlertChange.objects.filter(alert__user=others, note="not like mine", by=None).exists()
    assert (Erasure.objects.count(), ErasedPerson.objects.get().name_hash) == (0, name_hash(NAME))
    assert name_hash(NAME) != name_hash(OTHER)
    assert AuditEntry.objects.filter(person=name_hash(NAME), verb=Verb.WEARER_ADDED).exists()
    assert Team.objects.filter(name="friends of somebody").exists()


@pytest.mark.parametrize("name", ["erika", "somebody", "firing", "long" * 16])
def test_an_alert_that_was_given_to_them_says_so_of_somebody_and_goes_to_nobody_of_that_name(name: str) -> None:
    wearer, boss = make_wearer("wearer"), make_user("boss", "view_all_wearers")
    gone = make_user(name, watches=(wearer,))
    alert = make_alert(wearer, opened_at=NOW)
    alert_acknowledge(alert=alert, by=boss, at=NOW)
    for to in (gone, None):
        alerts_assign(alerts=[alert], to=to, by=boss, at=NOW)
    erasure_ask(user=gone, at=NOW, grace=timedelta())
    assert erasures_step(now=NOW, seconds=60) == 2
    changes = list(AlertChange.objects.order_by("revision").values_list("action", "was", "became"))
    given = [("assign", "", "somebody"), ("assign", "somebody", "")]
    assert changes == [("acknowledge", "new", "acknowledged"), *given]
    for again in {name, "somebody"}:
        make_user(again, "view_all_wearers")
    alert.refresh_from_db()
    with pytest.raises(TriageError, match="Whose it was"):
        assignment_undo(alert=alert, by=boss, at=NOW, revision=alert.revision)


@pytest.mark.parametrize("name", ["5", "vitals", "user_id", "apple_watch", "a.b+c@d-e"])
def test_a_user_id_that_is_a_word_of_readings_takes_no_refused_message_of_others_with_it(name: str) -> None:
    def kept(*payloads: str, key: str = "key") -> set[int]:
        where = {"cluster_id": "c", "topic": "t", "partition": 0, "reason": "x", "size": 0, "received_at": NOW}
        first = QuarantinedMessage.objects.count()
        rows = [
            QuarantinedMessage(**where, offset=first + number, key=key.encode(), payload=payload.encode("latin-1"))
            for number, payload in enumerate(payloads)
        ]
        return {row.pk for row in QuarantinedMessage.objects.bulk_create(rows)}

    escaped = "".join(f"\\u{ord(each):04X}" for each in name)
    said = '{"user_id" :\n"%s", "vitals": {"heart_rate": "x"}, "device_sources": ["%s"], "sleep": {"%s": ["%s"]}}'
    others = [
        name + "2",
        "2" + name,
        "bob",
        f"b {name}",
        f"{name} b",
        escaped + "2",
        f"{name}\xff",
        name.replace(".", "_") + "_",
    ]
    stay = kept(*(said % (other, *3 * [name]) for other in others), f'["{name}", "{name}"]', f'"user_id": ["{name}"]')
    go = kept(said % (name, 1, 2, 3), said % (escaped, 1, 2, 3), f'\xff"user_id":{name}}}', f'{{"user_id":"{name}')
    go |= kept("{}", key=name)
    erasure_ask(user=make_user(name), at=NOW, grace=timedelta())
    assert erasures_step(now=NOW, seconds=60) == 2
    assert go.isdisjoint(stay)
    assert set(QuarantinedMessage.objects.values_list("pk", flat=True)) == stay


@pytest.mark.parametrize("name", ["5", "somebody", "administrator"])
def test_a_user_id_that_is_a_number_or_a_word_takes_nothing_else_with_it(name: str) -> None:
    gone, boss = make_user(name), make_user("boss")
    message = [{"changed": {"name": "assignment", "object": f"{name} watches bob", "fields": [name]}}]
    LogEntry.objects.create(user=boss, object_repr="x", action_flag=2, change_message=json.dumps(message))
    said = {"what": f"invitation 5 as administrator, team {name}", "changes": {"role": (None, name), "n": (42, 5)}}
    audit_note(verb=Verb.INVITED, person=gone, by=boss, **said)
    alert = make_alert(None, evidence={name: [42, 5, 5.0], "text": f"{name}\n{name}: 5.0"}, opened_at=NOW)
    for team in {f"Friends of {name}", "Friends of somebody"}:
        Team.objects.create(name=team, description="x" * (199 - len(name)) + f" {name}")
    Team.objects.create(name="y" * (63 - len(name)) + f" {name}")
    erasure_ask(user=gone, at=NOW, grace=timedelta())
    assert erasures_step(now=NOW, seconds=60) == 2
    alert.refresh_from_db()
    assert alert.evidence == {name: [42, 5, 5.0], "text": "somebody\nsomebody: 5.0"}
    entry = AuditEntry.objects.get(verb=Verb.INVITED)
    assert (entry.what, entry.changes) == (said["what"], {"role": [None, name], "n": [42, 5]})
    (change,) = json.loads(LogEntry.objects.get().change_message)
    assert change["changed"] == {"name": "assignment", "object": "somebody watches bob", "fields": [name]}
    longest = ("y" * (63 - len(name)) + " somebody")[:64]
    friends = {"Friends of somebody"} if name == "somebody" else {"Friends of somebody", "Friends of somebody 2"}
    assert set(Team.objects.values_list("name", flat=True)) == friends | {longest}
    assert not Team.objects.filter(description__regex=rf" {name}$").exclude(description__endswith=" somebody").exists()


@pytest.mark.parametrize("name", ["technical", "rest"])
def test_a_view_somebody_saved_still_asks_for_all_that_it_asked_but_for_the_person(name: str) -> None:
    gone, watcher = make_user(name), make_user("watcher")
    ours = {"view": "mine", "severity": "HIGH", "class": "technical", "rule": "rest"}
    asked = read_query(ours | {"wearer": name, "who": name, "q": f"at {name} now"}).parameters
    assert asked.keys() == {*NAME_NOBODY, "wearer", "who", "q"}, "a new one that names people is among those read"
    for view in (f"{name} 1", "somebody 1"):
        SavedView.objects.create(user=watcher, name=view, query=urlencode(asked))
    erasure_ask(user=gone, at=NOW, grace=timedelta())
    erasures_step(now=NOW, seconds=60)
    left = urlencode(asked | {"wearer": "somebody", "who": "somebody", "q": "at somebody now"})
    views = SavedView.objects.order_by("pk").values_list("name", "query")
    assert list(views) == [("somebody 1 2", left), ("somebody 1", left)]


def test_one_that_fails_is_told_of_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_wearer("first"), make_wearer("second")
    for hours, user in enumerate((first, second)):
        erasure_ask(user=user, at=NOW + timedelta(hours=hours), grace=timedelta())

    def broken(erasure: Erasure, *, rows: int) -> bool:
        if erasure.username == "first":
            raise ValueError(rows)
        return False

    monkeypatch.setattr(erasing, "trace_remove", broken)
    with pytest.raises(ExceptionGroup, match="could not go on"):
        erasures_step(now=NOW + DAY, seconds=60)
    assert list(User.objects.filter(pk__in=(first.pk, second.pk))) == [first]
    assert erasures_failing() == Failing(1, NOW + DAY, ("ValueError",))
    with pytest.raises(ExceptionGroup):
        erasures_step(now=NOW + 2 * DAY, seconds=60)
    assert erasures_failing() == Failing(1, NOW + DAY, ("ValueError",)), "since it first failed"
    monkeypatch.setattr(erasing, "trace_remove", lambda erasure, *, rows: True)
    erasures_step(now=NOW + 3 * DAY, seconds=0.1)
    assert (erasures_failing(), User.objects.filter(pk=first.pk).exists()) == (None, True), "it goes on"


def test_what_still_comes_for_them_is_refused_without_its_bytes(shop: Shop) -> None:
    shop.write(event(NAME), event(OTHER))
    with CaptureQueriesContext(connection) as captured:
        shop.write(event(OTHER, at=NOW - timedelta(seconds=1)))
    assert not [query for query in captured.captured_queries if "erasedperson" in str(query["sql"])]  # who is known
    gone, others = User.objects.get(username=NAME), Reading.objects.filter(user__username=OTHER)
    erasure_ask(user=gone, at=NOW, grace=timedelta())
    erasures_step(now=NOW)
    for number in range(2):
        at = NOW + timedelta(seconds=1 + number)
        outcome = shop.write(event(NAME, at=at), event(OTHER, at=at), now=at)
        assert (outcome.stored.height, outcome.accepted["username"].to_list()) == (1, [OTHER])
    assert not User.objects.filter(username=NAME).exists()
    for row in QuarantinedMessage.objects.all():
        assert why_not_again(row)
        assert (row.reason, row.field, bytes(row.payload), bytes(row.key)) == ("erased_user", "user_id", b"", b"")
        assert dead_letter_json(row)["payload_base64"] == ""
    assert (QuarantinedMessage.objects.count(), others.count()) == (2, 4)
    assert list(traces_of(gone.pk, NAME)) == []


def refused_ones(name: str) -> dict[str, Any]:
    """A message of `name` for every reason to refuse one, and for each way its bytes say whose it is."""
    sound = event(name, vitals={"heart_rate": 71.5})
    text = json.dumps(sound)
    return {
        "too_large": text.encode() + b" " * 70_000,
        "malformed_json": text[:-9].encode(),
        "cut in the name": text[: text.index(name) + len(name)].encode(),
        "no quotes": text.replace(f'"{name}"', name).encode(),
        "spelled otherwise": text.replace("@", "\\u0040")[:-2].encode(),
        "missing_field": {key: sound[key] for key in ("user_id", "event_id", "vitals")},
        "wrong_type": sound | {"vitals": {"heart_rate": "71.5"}},
        "bad_string": sound | {"device_sources": ["a\u0007"]},
        "bad_timestamp": sound | {"timestamp": "yesterday"},
        "too_old": sound | {"timestamp": "1999-01-01T00:00:00Z"},
        "future_timestamp": sound | {"timestamp": "2099-01-01T00:00:00Z"},
        "out_of_range": sound | {"vitals": {"heart_rate": 9_000}},
    }


@pytest.mark.kafka
def test_what_comes_for_them_and_is_faulty_too_is_kept_and_sent_on_without_its_bytes(shop: Shop) -> None:
    shop.write(event(NAME))
    gone = User.objects.get(username=NAME)
    erasure_ask(user=gone, at=NOW, grace=timedelta())
    erasures_step(now=NOW)
    topic, key = make_topic(), NAME.encode()
    publisher = AlertPublisher(kafka=settings.KAFKA, topic=make_topic(), dead_letter_topic=topic)
    publisher.send_dead_letters(shop.write(*refused_ones(NAME).values()).quarantined)
    publisher.send_dead_letters(shop.write(b"\xff{", event(OTHER, vitals={"heart_rate": -1}), key=key).quarantined)
    publisher.mark(at=NOW, wait_s=10)
    for row in QuarantinedMessage.objects.all():
        assert (row.reason, row.field, bytes(row.payload), bytes(row.key)) == ("erased_user", "user_id", b"", b"")
    copies = messages_of(topic)
    assert len(copies) == QuarantinedMessage.objects.count() == len(refused_ones(NAME)) + 2
    assert {(copy.key, json.loads(copy.value)["payload_base64"]) for copy in copies} == {(None, "")}
    assert list(traces_of(gone.pk, NAME)) == []


def test_what_only_postgresql_refuses_under_their_key_is_kept_without_its_bytes(shop: Shop) -> None:
    ErasedPerson.objects.create(name_hash=name_hash(NAME), erased_at=NOW)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE devices_reading ADD CONSTRAINT picky CHECK (heart_rate <> 66) NOT VALID")
    try:
        shop.write(event(OTHER, vitals={"heart_rate": 66}), key=NAME.encode())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE devices_reading DROP CONSTRAINT picky")
    row = QuarantinedMessage.objects.get()
    assert (row.reason, bytes(row.payload), bytes(row.key)) == ("erased_user", b"", b"")


def test_what_is_refused_of_others_is_kept_as_it_came(shop: Shop) -> None:
    ErasedPerson.objects.create(name_hash=name_hash(NAME), erased_at=NOW)
    make_wearer("anew")
    ErasedPerson.objects.create(name_hash=name_hash("anew"), erased_at=NOW)
    for name in (OTHER, "anew"):
        refused_by = refused_ones(name)
        shop.write(*refused_by.values(), event(name), key=name.encode())
    reasons = set(QuarantinedMessage.objects.values_list("reason", flat=True))
    assert reasons == refused_by.keys() - {"cut in the name", "no quotes", "spelled otherwise"}
    assert all(row.payload and row.key for row in QuarantinedMessage.objects.all())
    assert QuarantinedMessage.objects.count() == 2 * len(refused_by)


def test_whom_refused_messages_are_about_is_asked_once_and_not_where_none_was_refused(shop: Shop) -> None:
    shop.write(event(OTHER))
    refused = [event(f"person {number}") for number in range(40)]
    for messages, asked in ((refused, 1), ([event(OTHER, at=NOW + timedelta(seconds=1))], 0)):
        with CaptureQueriesContext(connection) as captured:
            shop.write(*messages)
        assert sum("erasedperson" in str(query["sql"]) for query in captured.captured_queries) == asked


def test_where_people_are_not_provisioned_the_erased_are_told_from_the_unknown() -> None:
    ErasedPerson.objects.create(name_hash=name_hash(NAME), erased_at=NOW)
    Shop(provision=False).write(event(NAME), event("stranger"))
    kept = {row.reason: bool(row.payload) for row in QuarantinedMessage.objects.all()}
    assert kept == {"erased_user": False, "unknown_user": True}


def test_until_it_begins_it_can_be_taken_back_and_afterwards_not(shop: Shop) -> None:
    shop.write(event(NAME))
    user = User.objects.get(username=NAME)
    erasure_ask(user=user, at=NOW, grace=DAY)
    assert erasure_ask(user=user, at=NOW + DAY / 2, grace=DAY).due_at == NOW + DAY
    assert erasures_step(now=NOW + DAY / 2) == 0
    assert erasure_undo(user=user)
    assert erasures_step(now=NOW + 2 * DAY) == 0
    assert Reading.objects.filter(user=user).count() == 1
    erasure_ask(user=user, at=NOW, grace=timedelta())
    assert erasure_begin(user_id=user.pk, at=NOW)
    assert not erasure_undo(user=user)


def test_whoever_is_called_otherwise_by_then_is_forgotten_by_the_name_they_have(shop: Shop) -> None:
    user = make_wearer("before")
    erasure_ask(user=user, at=NOW, grace=DAY)
    User.objects.filter(pk=user.pk).update(username=NAME)
    life_of(NAME, shop, make_user("watcher"))
    assert erasures_step(now=NOW + DAY, seconds=60) == 2
    assert list(traces_of(user.pk, NAME)) == []
    assert ErasedPerson.objects.get().name_hash == name_hash(NAME)
    assert shop.write(event(NAME, at=NOW + timedelta(seconds=1))).stored.height == 0


def test_as_soon_as_it_begins_nobody_signs_in_as_them_and_no_worker_writes_for_them(shop: Shop) -> None:
    shop.write(event(NAME))
    user = User.objects.get(username=NAME)
    user.set_password("a secret of mine")
    user.save()
    client = Client()
    client.force_login(user)
    erasure_ask(user=user, at=NOW, grace=timedelta())
    assert erasure_begin(user_id=user.pk, at=NOW)
    assert not erasure_begin(user_id=user.pk, at=NOW)  # a second one at the same time
    assert client.get("/settings/").status_code == 302
    assert not Client().login(username=NAME, password="a secret of mine")
    assert shop.write(event(NAME, at=NOW + timedelta(seconds=1))).stored.height == 0
    assert Reading.objects.filter(user_id=user.pk).count() == 1


def test_a_worker_in_the_midst_of_a_batch_is_waited_for(shop: Shop) -> None:
    shop.write(event(NAME))
    user = User.objects.get(username=NAME)
    erasure_ask(user=user, at=NOW, grace=timedelta())
    inside, go_on = Event(), Event()

    def store() -> None:
        inside.set()
        assert go_on.wait(10)
        Reading.objects.create(user=user, recorded_at=NOW, received_at=NOW, event_id=uuid4())

    threads = [Thread(target=_with_own_connection, args=(shop.pipeline._writer.transact, store))]
    threads[0].start()
    assert inside.wait(10)
    threads.append(Thread(target=_with_own_connection, args=(partial(erasure_begin, user_id=user.pk, at=NOW),)))
    threads[1].start()
    threads[1].join(0.3)
    assert Erasure.objects.get().begun_at is None
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert Erasure.objects.get().begun_at == NOW
    run(user.pk)
    assert not Reading.objects.exists()


def _with_own_connection(work: Callable[..., object], *arguments: object) -> None:
    try:
        work(*arguments)
    finally:
        connections.close_all()


def test_it_goes_on_in_bounded_batches(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_wearer(NAME)
    times = [NOW + timedelta(seconds=number // 2) for number in range(10)]  # two of each time
    rows = [Reading(user=user, recorded_at=at, received_at=at, event_id=uuid4()) for at in times]
    shop.write(event("somebody"))  # makes the partition
    Reading.objects.bulk_create(rows)
    DueHour.objects.bulk_create(DueHour(start=NOW, user=user, minute=minute) for minute in range(7))
    for number in range(5):
        make_alert(user, opened_at=NOW + timedelta(hours=number), episode="ended", end="cleared")
    monkeypatch.setattr(erasing, "ROWS", 3)
    monkeypatch.setattr(erasing, "OWNERS", 2)
    erasure_ask(user=user, at=NOW, grace=timedelta())
    erasure_begin(user_id=user.pk, at=NOW)
    left = []
    while erasure_go_on(user_id=user.pk):
        left.append(Reading.objects.filter(user=user).count())
    assert left[:3] == [6, 2, 0]
    assert len(left) > 3 + 3 + 3
    assert not User.objects.filter(pk=user.pk).exists()
    assert Reading.objects.count() == 1
