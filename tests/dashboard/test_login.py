"""Signing in: no word about which of the two was wrong, and five tries."""

import pytest
from django.core.cache import cache
from django.test import Client

from dashboard import attempts
from devices.models import User
from tests.made import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def attempt(client: Client, username: str, password: str, **extra: str):
    return client.post("/login/", {"username": username, "password": password}, **extra)


def test_it_leads_to_the_page_that_was_asked_for(client: Client, alice: User) -> None:
    asked = client.get("/?tab=mine")
    assert asked.url == "/login/?next=/%3Ftab%3Dmine"
    answer = client.post(asked.url, {"username": "alice", "password": PASSWORD, "next": "/?tab=mine"})
    assert answer.url == "/?tab=mine"


def test_it_leads_to_no_other_site(client: Client, alice: User) -> None:
    answer = client.post("/login/", {"username": "alice", "password": PASSWORD, "next": "https://evil.test/"})
    assert answer.url == "/"


def test_a_wrong_name_and_a_wrong_password_are_told_alike(client: Client, alice: User) -> None:
    texts = [attempt(client, name, "wrong").content.decode() for name in ("alice", "nobody")]
    for text in texts:
        assert "User name and password do not match. 4 tries left before a wait of 5 minutes." in text


def test_after_five_failures_even_the_right_password_waits(client: Client, alice: User) -> None:
    for _ in range(4):
        attempt(client, "alice", "wrong")
    assert "Wait 5 minutes" in attempt(client, "alice", "wrong").content.decode()
    refused = attempt(client, "alice", PASSWORD)
    assert refused.status_code == 429
    assert "Wait 5 minutes" in refused.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_wait_ends_after_five_minutes(client: Client, alice: User) -> None:
    for _ in range(5):
        attempt(client, "alice", "wrong")
    keys = cache._cache.get_client().keys("*login:*")
    assert len(keys) == 1
    assert 295 <= cache._cache.get_client().ttl(keys[0]) <= attempts.WAIT_S
    cache.clear()
    assert attempt(client, "alice", PASSWORD).status_code == 302


def test_somebody_elsewhere_does_not_wait_for_them(client: Client, alice: User) -> None:
    for _ in range(5):
        attempt(client, "alice", "wrong", REMOTE_ADDR="10.0.0.1")
    assert attempt(client, "alice", PASSWORD, REMOTE_ADDR="10.0.0.2").status_code == 302


def test_a_success_forgets_the_failures(client: Client, alice: User) -> None:
    for _ in range(4):
        attempt(client, "alice", "wrong")
    attempt(client, "alice", PASSWORD)
    client.logout()
    assert "4 tries left" in attempt(client, "alice", "wrong").content.decode()


def test_the_password_never_comes_back(client: Client, alice: User) -> None:
    assert "hunter2-hunter2" not in attempt(client, "alice", "hunter2-hunter2").content.decode()


def test_signing_out_takes_a_post(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/login/"
    assert client.get("/").url.startswith("/login/")


def test_nothing_is_inline(client: Client) -> None:
    answer = client.get("/login/")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.content.decode()
    assert "<script>" not in answer.content.decode()
