"""Signing in: no word about which of the two was wrong, and five tries."""

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory

from devices.account import attempts
from devices.addresses import caller_address
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


def test_who_is_in_is_not_led_to_the_door_again(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/login/?next=/login/").url == "/"
    assert client.get("/login/?next=/alerts/").url == "/alerts/"


def test_a_wrong_name_and_a_wrong_password_are_told_alike(client: Client, alice: User) -> None:
    texts = [attempt(client, name, "wrong").content.decode() for name in ("alice", "nobody")]
    for text in texts:
        assert "User name and password do not match. 4 tries left before a wait of 5 minutes." in text


def test_who_was_deactivated_is_told_so_by_their_own_password_alone(client: Client, alice: User) -> None:
    User.objects.update(is_active=False)
    assert "do not match" in attempt(client, "alice", "wrong").content.decode()
    told = attempt(client, "alice", PASSWORD).content.decode()
    assert "This account is switched off. Ask whoever runs this Telara" in told
    assert "_auth_user_id" not in client.session


def test_after_five_failures_even_the_right_password_waits(client: Client, alice: User) -> None:
    for _ in range(4):
        attempt(client, "alice", "wrong")
    assert "Wait 5 minutes" in attempt(client, "alice", "wrong").content.decode()
    refused = attempt(client, "alice", PASSWORD)
    assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    assert "Wait 5 minutes" in refused.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_wait_ends_after_five_minutes(client: Client, alice: User) -> None:
    for _ in range(5):
        attempt(client, "alice", "wrong")
    keys = cache._cache.get_client().keys("*login:*")
    assert len(keys) == 2
    assert all(295 <= cache._cache.get_client().ttl(key) <= attempts.WAIT_S for key in keys)
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


def test_one_password_tried_on_many_names_waits_too(client: Client, alice: User) -> None:
    for number in range(attempts.MOST_OF_ADDRESS):
        assert attempt(client, f"name-{number}", "wrong").status_code == 200
    assert attempt(client, "alice", PASSWORD).status_code == 429
    assert attempt(client, "alice", PASSWORD, REMOTE_ADDR="10.0.0.2").status_code == 302


def test_the_pages_the_admin_and_the_api_count_the_same_failures(client: Client, alice: User) -> None:
    for _ in range(2):
        attempt(client, "alice", "wrong")
    for _ in range(3):
        given = {"username": "ALICE", "password": "wrong"}
        client.post("/api/v1/auth/token/", given, content_type="application/json")
    door = client.get("/admin/", follow=True).redirect_chain[-1][0]
    assert client.post(door, {"username": "alice", "password": PASSWORD}).status_code == 429
    answer = client.post("/api/v1/auth/token/", given | {"password": PASSWORD}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")


def test_behind_proxies_of_ours_each_caller_is_counted_alone(client: Client, alice: User, settings) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    for _ in range(5):
        attempt(client, "alice", "wrong", HTTP_X_FORWARDED_FOR="1.1.1.1, 10.0.0.1")
    statuses = [
        attempt(client, "alice", PASSWORD, HTTP_X_FORWARDED_FOR=header).status_code
        for header in ("2.2.2.2, 10.0.0.1", "10.0.0.2")
    ]
    assert statuses == [429, 302]


@pytest.mark.parametrize(("one", "other", "same"), [
    ("2001:db8::1", "2001:db8::ffff", True), ("2001:db8::1", "2001:db8:0:1::1", False),
    ("::ffff:10.0.0.1", "10.0.0.1", True), ("10.0.0.1", "10.0.0.2", False),
])  # fmt: skip
def test_a_network_of_ipv6_is_one_caller(one: str, other: str, same: bool) -> None:
    addresses = [caller_address(RequestFactory().get("/", REMOTE_ADDR=each)) for each in (one, other)]
    assert (addresses[0] == addresses[1]) is same


def test_those_who_watch_get_in_while_redis_is_away(client: Client, alice: User, settings) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:9/0"}}
    assert "match" in attempt(client, "alice", "wrong").content.decode()
    assert attempt(client, "alice", PASSWORD).status_code == 302
