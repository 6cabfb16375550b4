"""The audit log: what it keeps, and that nobody rewrites it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.cache import cache
from django.db import InternalError, ProgrammingError, connection, transaction
from django.test import Client, RequestFactory
from django.utils import timezone

from devices.models import AuditEntry, Look, User, Verb
from devices.rights.audit import answering, audit_door, audit_drop, audit_entries, audit_forget, audit_note
from devices.rights.looks import Sighting, bytes_note, look_note, looks_note
from devices.tokens import token_make
from tests.made import NOON, PASSWORD, make_user, make_wearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


REFUSED = (ProgrammingError, InternalError)


def noted(verb: Verb) -> list[tuple[str, str, str, str]]:
    rows = AuditEntry.objects.filter(verb=verb).order_by("pk")
    return [(row.actor, row.person, row.way, row.what) for row in rows]


def test_it_says_who_on_whom_from_where_and_what_was_before() -> None:
    boss, ann = make_user("boss"), make_wearer()
    request = RequestFactory(REMOTE_ADDR="192.0.2.7").get("/api/v1/wearers/")
    request.user = boss
    with answering(request):
        audit_note(verb=Verb.DEVICE_CHANGED, person=ann, what="device 3", changes={"cadence_s": (5.0, None)}, at=NOON)
    row = AuditEntry.objects.get()
    assert (row.at, row.way, row.actor, row.actor_key, row.person) == (NOON, "api", "boss", boss.pk, "user_001")
    assert (row.what, row.changes, row.address) == ("device 3", {"cadence_s": [5.0, None]}, "192.0.2.7")
    audit_note(verb=Verb.DEVICE_CHANGED)
    assert AuditEntry.objects.latest("pk").way == "inside"


def test_names_and_secrets_are_told_to_have_changed_and_not_to_what() -> None:
    ann = make_wearer()
    changes = {"display_name": ("Ann", "Anna"), "password": ("a", "b"), "name": ("Ann's", ""), "analyst": (None, ann)}
    audit_note(verb=Verb.PROFILE_CHANGED, changes=changes)
    kept = AuditEntry.objects.get().changes
    assert kept == {"display_name": [], "password": [], "name": [], "analyst": [None, f"person {ann.pk}"]}


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda: AuditEntry.objects.update(what="nothing"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: connection.cursor().execute("TRUNCATE devices_auditentry"),
    ],
)
def test_nobody_rewrites_it(rewrite: Callable[[], object]) -> None:
    audit_note(verb=Verb.TEAM_MADE, what="team Night")
    with pytest.raises(REFUSED, match="only added to"), transaction.atomic():
        rewrite()
    assert AuditEntry.objects.get().what == "team Night"


def test_retention_takes_what_is_older_and_nothing_else() -> None:
    for days in (0, 2):
        audit_note(verb=Verb.TEAM_MADE, at=NOON - timedelta(days=days))
    assert audit_drop(before=NOON - timedelta(days=1)) == 1
    assert AuditEntry.objects.get().at == NOON
    with pytest.raises(REFUSED), transaction.atomic():  # the door is shut again
        AuditEntry.objects.all().delete()


def test_of_somebody_erased_the_hash_stands_where_their_name_stood() -> None:
    ann, boss = make_wearer(), make_user("boss")
    with answering(RequestFactory(REMOTE_ADDR="192.0.2.7").get("/")):
        audit_note(verb=Verb.LOOKED, person=ann, by=boss)
        audit_note(verb=Verb.TOKEN_MADE, person=ann, by=ann)
        audit_note(verb=Verb.SIGN_IN_FAILED, person=ann)
    assert audit_forget(user_id=ann.pk, name="hash", rows=10)
    assert not audit_forget(user_id=ann.pk, name="hash", rows=10)
    rows = AuditEntry.objects.order_by("pk").values_list("actor", "actor_key", "person", "person_key", "address")
    of_boss = ("boss", boss.pk, "hash", None, "192.0.2.7")
    assert list(rows) == [of_boss, ("hash", None, "hash", None, None), ("", None, "hash", None, None)]


@pytest.mark.parametrize("column", ["what", "changes", "verb", "at", "way"])
def test_erasure_changes_names_and_addresses_and_nothing_else(column: str) -> None:
    audit_note(verb=Verb.TEAM_MADE, what="team 3", at=NOON)
    value = {"changes": {"role": []}, "at": NOON - timedelta(days=1)}.get(column, "x")
    with pytest.raises(REFUSED, match="only added to"), transaction.atomic(), audit_door("erasure"):
        AuditEntry.objects.update(**{column: value})


def test_a_change_that_is_taken_back_leaves_no_entry() -> None:
    ann = make_wearer()
    with transaction.atomic():
        token_make(user=ann, at=NOON, lifetime=timedelta(days=1))
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_a_look_is_noted_once_an_hour() -> None:
    ann, boss = make_wearer("user_007"), make_user("boss")
    for minutes in (0, 5, 61):
        look_note(viewer=boss, person_id=ann.pk, way=Look.Way.PAGE, at=NOON + timedelta(minutes=minutes))
    assert noted(Verb.LOOKED) == [("boss", "user_007", "inside", "their page")] * 2


def test_many_looks_at_once_cost_a_statement_each_and_none_again(django_assert_max_num_queries: Any) -> None:
    boss = make_user("boss")
    people = [make_wearer(f"user_{number}").pk for number in range(40)]
    seen = [Sighting(boss.pk, person, Look.Way.PAGE, NOON) for person in people]
    gone = Sighting(boss.pk, max(people) + 1, Look.Way.PAGE, NOON)
    with django_assert_max_num_queries(len(people) + 3):  # and those around them
        looks_note([*seen, gone, *seen])
    with django_assert_max_num_queries(0):
        looks_note([*seen, gone])
    assert Look.objects.count() == AuditEntry.objects.filter(verb=Verb.LOOKED).count() == len(people)


def test_whoever_opens_refused_bytes_read_that_persons_data() -> None:
    ann, boss = make_wearer("user_007"), make_user("boss")
    for name, message in (("user_007", 1), ("user_007", 1), ("somebody else", 2)):
        bytes_note(viewer=boss, name=name, message=message, at=NOON)
    expected = [("boss", "user_007", "inside", "refused message 1"), ("boss", "", "inside", "refused message 2")]
    assert noted(Verb.OPENED_BYTES) == expected
    assert [(look.person, look.way) for look in Look.objects.all()] == [(ann, "bytes")]


def test_sign_ins_are_kept_and_failed_ones_without_what_was_typed() -> None:
    make_user("boss")
    client = Client()
    client.post("/login/", {"username": "boss", "password": PASSWORD})
    client.post("/logout/")
    client.post("/login/", {"username": "boss", "password": "wrong"})
    authenticate(username="a password by mistake", password="x")
    assert noted(Verb.SIGNED_IN) == [("boss", "", "page", "")]
    assert noted(Verb.SIGNED_OUT) == [("boss", "", "page", "")]
    assert noted(Verb.SIGN_IN_FAILED) == [("", "boss", "page", ""), ("", "", "inside", "")]


def test_what_is_done_in_the_admin_stands_there_with_what_was_before() -> None:
    boss, client = User.objects.create_superuser("boss", password="x"), Client()
    ann = make_wearer(time_zone="UTC")
    client.force_login(boss)
    form = {"username": "user_001", "display_name": "Ann", "time_zone": "Europe/Vienna", "is_active": "on"}
    nina = make_user("nina")
    inlines = {f"{name}-{key}": "0" for name in ("assignments", "watchers") for key in ("TOTAL_FORMS", "INITIAL_FORMS")}
    inlines |= {"watchers-TOTAL_FORMS": "1", "watchers-0-wearer": str(ann.pk), "watchers-0-analyst": str(nina.pk)}
    assert client.post(f"/admin/devices/user/{ann.pk}/change/", form | inlines | {"is_wearer": "on"}).status_code == 302
    row = AuditEntry.objects.get(verb=Verb.ADMIN_CHANGED)
    assert (row.actor, row.person, row.way, row.what) == ("boss", "user_001", "admin", f"user {ann.pk}")
    assert row.changes == {
        "display_name": [],
        "time_zone": ["UTC", "Europe/Vienna"],
        "assignment watchers": [[], [f"person {nina.pk} watches person {ann.pk}"]],
    }
    assert timezone.now() - row.at < timedelta(minutes=1)


@pytest.mark.parametrize("column", ["person", "actor"])
def test_a_name_that_nobody_has_is_looked_for_along_an_index(column: str) -> None:
    rows = [{"at": NOON + timedelta(seconds=n), "way": "page", "verb": "signed_in"} for n in range(1500)]
    AuditEntry.objects.bulk_create(AuditEntry(**row) for row in rows)  # nobody known: their keys are null
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_auditentry")
    plan = audit_entries(**{column: "nobody"})[:51].explain()
    assert f"audit_{column}_gone" in plan, plan
