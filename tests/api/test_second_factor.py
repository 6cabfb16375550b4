"""A token for who has a second factor: the password, and a code that works once."""

import time

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.account.attempts import MOST
from devices.account.second_factor import app_add, app_secret_new, code_at, codes_left, passkey_add
from devices.models import User
from devices.tokens import device_token_make
from tests.api.test_errors import error
from tests.made import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def sign_in(username: str = "user_001", password: str = PASSWORD, address: str = "10.0.0.1", **more: str):
    given = {"username": username, "password": password, **more}
    return APIClient().post("/api/v1/auth/token/", given, format="json", REMOTE_ADDR=address)


def with_app(user: User) -> str:
    secret, at = app_secret_new(), timezone.now()
    app_add(user=user, secret=secret, code=code_at(secret=secret, counter=int(at.timestamp()) // 30 - 1), at=at)
    return secret


def test_a_code_is_asked_for_and_works_once(wearer: User) -> None:
    code = code_at(secret=with_app(wearer), counter=int(time.time()) // 30 + 1)
    needed = error(sign_in(), 401)
    assert needed["code"] == "second_factor_needed"
    assert "authenticator app" in needed["message"]
    assert error(sign_in(code="000000"), 401)["code"] == "wrong_code"
    assert sign_in(code=code).status_code == 200
    assert error(sign_in(code=code), 401)["code"] == "wrong_code"


def test_a_wrong_password_says_nothing_of_a_second_factor(wearer: User) -> None:
    with_app(wearer)
    assert error(sign_in(password="wrong"), 401)["code"] == "wrong_credentials"


def test_who_has_passkeys_only_is_told_of_the_other_ways(wearer: User) -> None:
    passkey_add(user=wearer, name="key", credential={})
    assert "recovery code" in error(sign_in(), 401)["message"]
    assert "make a token on the settings page" in error(sign_in(), 401)["message"]
    assert sign_in(code=codes_left(user=wearer)[0]).status_code == 200


def test_wrong_codes_wait_wherever_they_come_from(wearer: User) -> None:
    with_app(wearer)
    for number in range(MOST):
        sign_in(code="000000", address=f"10.0.1.{number}")
    late = sign_in(code=codes_left(user=wearer)[0], address="10.0.2.1")
    assert error(late, 429)["code"] == "throttled"
    assert late["Retry-After"] == "300"


def test_staff_who_must_have_one_get_nothing_by_token_until_they_do(call, wearer: User, device, settings) -> None:
    chief = make_user("chief", is_staff=True)
    client = call(chief)
    assert client.get("/api/v1/alerts/").status_code == 200
    settings.TELARA_STAFF_SECOND_FACTOR = True
    assert error(sign_in("chief"), 403)["code"] == "second_factor_required"
    assert error(client.get("/api/v1/alerts/"), 403)["code"] == "second_factor_required"
    assert sign_in().status_code == 200, "wearers need none"
    User.objects.filter(pk=wearer.pk).update(is_staff=True)
    sender = APIClient(HTTP_AUTHORIZATION=f"Token {device_token_make(device=device, at=timezone.now())}")
    sent = sender.post("/api/v1/readings/", "[]", content_type="application/json")
    assert sent.status_code == 202, "a device has no second factor"
