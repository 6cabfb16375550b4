"""The step after the password: who is asked for a second factor, and what lets them in."""

import time
from collections.abc import Callable
from functools import partial
from threading import Thread

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from dashboard.account.passkeys import LONGEST
from devices.account.attempts import MOST
from devices.account.passwords import password_set
from devices.account.second_factor import (
    codes_left,
    factors_of,
)
from devices.account.sessions import sessions_end
from devices.models import ApiToken, User, Verb
from devices.rights.people import person_activate, person_deactivate
from tests.dashboard.doors import (
    NEW,
    code,
    door,
    inside,
    shown_secret,
    signed_in,
    with_app,
)
from tests.made import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def test_after_the_password_who_has_a_second_factor_is_asked_for_it(client: Client, alice: User) -> None:
    secret = with_app(alice)
    answer = door(client, next="/alerts/?view=mine")
    assert (answer.status_code, answer.url) == (302, "/login/second/")
    assert not inside(client)
    assert client.get("/alerts/").url.startswith("/login/")
    page = client.get("/login/second/")
    assert "authenticator app" in page.text
    wrong = client.post("/login/second/", {"code": "000000"})
    assert (wrong.status_code, inside(client)) == (400, False)
    assert "4 tries left before a wait of 5 minutes" in wrong.text
    right = client.post("/login/second/", {"code": code(secret)})
    assert right.url == "/alerts/?view=mine"
    assert inside(client)
    assert client.get("/login/second/").status_code == 302


def somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["the pages", "the API"])
def test_a_sign_in_under_way_while_the_first_factor_is_added_is_asked_for_it(way: str, alice: User) -> None:
    came: list[tuple[int, str, bool]] = []
    given = {"username": "alice", "password": PASSWORD}

    def come_in() -> None:
        client = Client()
        by_page = partial(client.post, "/login/", given)
        by_api = partial(client.post, "/api/v1/auth/token/", given, content_type="application/json")
        answer = by_page() if way == "the pages" else by_api()
        came.append((answer.status_code, answer.headers.get("Location", ""), inside(client)))
        connections.close_all()

    thread = Thread(target=come_in)
    with transaction.atomic():
        with_app(alice)
        thread.start()  # it finds the password right, and no factor yet
        while not came and not somebody_waits_for_us():
            time.sleep(0.01)
    thread.join(30)
    assert came == [(302, "/login/second/", False) if way == "the pages" else (401, "", False)]
    assert ApiToken.objects.count() == 0


def test_a_recovery_code_lets_in_once(client: Client, alice: User) -> None:
    with_app(alice)
    spare = codes_left(user=alice)[0]
    door(client)
    client.post("/login/second/", {"code": spare})
    assert inside(client)
    client.logout()
    door(client)
    assert client.post("/login/second/", {"code": spare}).status_code == 400
    assert not inside(client)


def test_the_second_step_alone_leads_nowhere(client: Client, alice: User) -> None:
    with_app(alice)
    assert client.get("/login/second/").url == "/login/"
    assert client.post("/login/second/", {"code": codes_left(user=alice)[0]}).url == "/login/"
    door(client)
    User.objects.update(is_active=False)
    assert client.post("/login/second/", {"code": codes_left(user=alice)[0]}).url == "/login/"


def test_the_second_step_ends_with_the_password_that_led_to_it(client: Client, alice: User) -> None:
    secret = with_app(alice)
    door(client)
    alice.set_password(NEW)  # as `manage.py changepassword` does, which ends no session
    alice.save()
    for answer in (client.get("/login/second/"), client.post("/login/second/", {"code": code(secret)})):
        assert (answer.url, inside(client)) == ("/login/", False)
    assert "Your password was changed after you gave it." in client.get("/login/").text
    door(client, password=NEW)
    client.post("/login/second/", {"code": code(secret)})
    assert inside(client)


def deactivated_for_a_while(user: User) -> None:
    boss = User.objects.create_superuser("boss")
    person_deactivate(person=user, by=boss, at=timezone.now())
    person_activate(person=user, by=boss, at=timezone.now())


def password_reset_to_the_same(user: User) -> None:
    password_set(user=user, password=PASSWORD, verb=Verb.PASSWORD_RESET)


@pytest.mark.parametrize(
    "ended", [lambda user: sessions_end(user=user), password_reset_to_the_same, deactivated_for_a_while]
)
def test_a_sign_in_under_way_ends_with_the_sessions_of_its_person(ended: Callable[[User], None], alice: User) -> None:
    bob = make_user("bob")
    secrets = {each.username: with_app(each) for each in (alice, bob)}
    clients = {name: Client() for name in secrets}
    for name, client in clients.items():
        door(client, name)
    ended(alice)
    for name, client in clients.items():
        client.post("/login/second/", {"code": code(secrets[name])})
    assert {name: inside(client) for name, client in clients.items()} == {"alice": False, "bob": True}


def test_five_wrong_codes_wait_wherever_they_come_from(alice: User) -> None:
    secret = with_app(alice)
    clients = [Client(REMOTE_ADDR=f"10.0.0.{number}") for number in range(MOST + 1)]
    for each in clients:
        door(each)
    for each in clients[:MOST]:
        each.post("/login/second/", {"code": "000000"})
    late = clients[-1].post("/login/second/", {"code": code(secret)})
    assert (late.status_code, late["Retry-After"], inside(clients[-1])) == (429, "300", False)


def test_with_redis_away_five_wrong_codes_wait_as_well(alice: User, settings) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:9/0"}}
    secret = with_app(alice)
    client = Client()
    door(client)
    left = [client.post("/login/second/", {"credential": "{}"}).status_code for _ in range(MOST)]
    late = client.post("/login/second/", {"code": code(secret)})
    assert (left, late.status_code, inside(client)) == ([400] * MOST, 429, False), "a passkey that is none counts too"
    User.objects.update(code_wait_until=timezone.now())
    assert "4 tries left" in client.post("/login/second/", {"code": "000000"}).text
    client.post("/login/second/", {"code": code(secret)})
    assert (inside(client), User.objects.get().code_failures) == (True, 0)


def test_with_redis_away_the_second_factor_still_lets_in_once(client: Client, alice: User, settings) -> None:
    secret = with_app(alice)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:9/0"}}
    door(client)
    given = {"code": code(secret)}
    assert client.post("/login/second/", given).url == "/"
    other = Client()
    door(other)
    assert other.post("/login/second/", given).status_code == 400


@pytest.mark.parametrize("answer", [
    "{}", "[]", "null", "{", "[" * (2 * LONGEST), '{"id": 1}',
    '{"id":"a","rawId":"a","type":"public-key","response":{}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA",'
    '"authenticatorData":"AA","signature":"AA","userHandle":"AA"}}', "\x00", '{"response": {"clientDataJSON": []}}',
])  # fmt: skip
def test_no_passkey_is_too_strange(answer: str, alice: User) -> None:
    with_app(alice)
    client = Client()
    door(client)
    client.get("/login/second/")
    assert client.post("/login/second/", {"credential": answer}).status_code == 400
    inner = Client()
    inner.force_login(alice)
    inner.post("/settings/security/confirm/", {"code": codes_left(user=alice)[0]})
    assert "publicKey" in inner.get("/settings/security/passkeys/").text
    assert inner.post("/settings/security/passkeys/", {"credential": answer, "name": "x"}).status_code == 400
    assert not factors_of(user=alice).passkeys


def test_staff_who_must_have_a_second_factor_set_one_up_before_anything_else(settings) -> None:
    settings.TELARA_STAFF_SECOND_FACTOR = True
    chief = make_user("chief", is_staff=True)
    client = signed_in(chief)
    for path in ("/", "/alerts/", "/settings/", "/admin/", "/admin/devices/user/"):
        assert client.get(path).url == "/settings/security/", path
    refused = client.get("/api/v1/alerts/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "second_factor_required")
    assert client.get("/alerts/", headers={"HX-Request": "true"})["HX-Redirect"] == "/settings/security/"
    assert "Staff need a second factor" in client.get("/settings/security/").text
    page = client.get("/settings/security/app/").text
    client.post("/settings/security/app/", {"code": code(shown_secret(page))})
    assert client.get("/admin/").status_code == 200
    assert "Take away" not in client.get("/settings/security/").text
