"""Tokens of people: made by password, expiring, noted when used, worthless to devices."""

from datetime import timedelta

import pytest
from django.test import Client
from rest_framework.test import APIClient

from devices.hashing import secret_hash
from devices.models import ApiToken, Device, User
from devices.tokens import token_find, token_make, tokens_drop_expired
from tests.api.test_errors import error
from tests.made import NOON, PASSWORD, make_user

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def sign_in(username: str, password: str = PASSWORD):
    return APIClient().post("/api/v1/auth/token/", {"username": username, "password": password}, format="json")


def test_a_password_gives_a_token_that_works(wearer: User) -> None:
    response = sign_in("user_001")
    assert response.status_code == 200
    body = response.json()
    assert sorted(body) == ["expires_at", "token"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {body['token']}")
    assert client.get("/api/v1/alerts/").status_code == 200


def test_only_the_hash_is_kept(wearer: User) -> None:
    secret = sign_in("user_001").json()["token"]
    assert ApiToken.objects.get().token_hash == secret_hash(secret) != secret


@pytest.mark.parametrize(("username", "password"), [("user_001", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)])
def test_the_error_does_not_say_which_was_wrong(wearer: User, username: str, password: str) -> None:
    make_user("gone", is_active=False)
    response = sign_in(username, password)
    assert error(response, 401)["code"] == "wrong_credentials"
    assert error(response, 401)["message"] == "User id or password is wrong."


def test_a_wearer_without_a_password_cannot_sign_in() -> None:
    User.objects.create(username="user_009", password="!")
    assert sign_in("user_009", "!").status_code == 401


def test_a_token_ends(wearer: User) -> None:
    made = token_make(user=wearer, at=NOON, lifetime=MINUTE)
    assert token_find(secret=made.secret, at=NOON + MINUTE - timedelta(seconds=1)) is not None
    assert token_find(secret=made.secret, at=NOON + MINUTE) is None
    assert tokens_drop_expired(at=NOON + MINUTE) == 1


def test_a_token_is_given_back(call, wearer: User, analyst: User) -> None:
    client, elsewhere = call(wearer), call(wearer)
    assert client.post("/api/v1/auth/token/revoke/").status_code == 204
    assert error(client.get("/api/v1/alerts/"), 401)["code"] == "authentication_failed"
    assert elsewhere.get("/api/v1/alerts/").status_code == 200


def test_a_session_has_no_token_to_give_back(analyst: User) -> None:
    client = Client()
    client.force_login(analyst)
    assert error(client.post("/api/v1/auth/token/revoke/"), 400)["code"] == "invalid"


def test_a_token_of_somebody_who_left_does_not_work(call, wearer: User) -> None:
    client = call(wearer)
    User.objects.update(is_active=False)
    assert error(client.get("/api/v1/alerts/"), 401)["code"] == "authentication_failed"


def test_its_use_is_noted_once_a_minute(wearer: User, django_assert_num_queries) -> None:
    made = token_make(user=wearer, at=NOON, lifetime=timedelta(days=1))
    token_find(secret=made.secret, at=NOON)
    with django_assert_num_queries(1):
        token_find(secret=made.secret, at=NOON + MINUTE - timedelta(seconds=1))
    assert ApiToken.objects.get().last_used_at == NOON
    token_find(secret=made.secret, at=NOON + MINUTE)
    assert ApiToken.objects.get().last_used_at == NOON + MINUTE


def test_a_session_works_too_but_writes_only_with_its_csrf_token(analyst: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(analyst)
    assert client.get("/api/v1/alerts/").status_code == 200
    response = client.post("/api/v1/readings/", "[]", content_type="application/json")
    assert error(response, 403)["code"] == "not_allowed"


def test_a_devices_token_works_until_it_is_revoked_or_made_anew(call, wearer: User, device: Device) -> None:
    wears, posts = call(wearer), APIClient()
    path = f"/api/v1/devices/{device.pk}/token/"
    first, second = (wears.post(path).json()["token"] for _ in range(2))
    outcomes = []
    for secret in (first, second):
        posts.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
        outcomes.append(posts.post("/api/v1/readings/", "[]", content_type="application/json").status_code)
    assert wears.delete(path).status_code == 204
    outcomes.append(posts.post("/api/v1/readings/", "[]", content_type="application/json").status_code)
    assert outcomes == [401, 202, 401]


def test_who_may_make_a_devices_token(  # noqa: PLR0917  # the personas
    call, wearer: User, other: User, analyst: User, lead: User, device: Device
) -> None:
    path = f"/api/v1/devices/{device.pk}/token/"
    who = {"wearer": wearer, "other": other, "analyst": analyst, "lead": lead}
    statuses = {name: call(user).post(path).status_code for name, user in who.items()}
    assert statuses == {"wearer": 201, "other": 404, "analyst": 403, "lead": 201}
