"""What people do about the safety of their own account: factors, password, sessions, and who is asked first."""

import re
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from devices.account.attempts import MOST
from devices.account.confirmed import CONFIRMED
from devices.account.second_factor import (
    codes_left,
    has_second_factor,
    passkey_add,
)
from devices.account.sessions import session_note, sessions_forget, sessions_of
from devices.models import ApiToken, User
from devices.tokens import token_make
from tests.dashboard.doors import (
    FIREFOX,
    NEW,
    code,
    door,
    inside,
    shown_secret,
    signed_in,
    with_app,
)
from tests.made import PASSWORD, confirm, make_user

pytestmark = pytest.mark.django_db

CHANGES = ("app/", "password/", "passkeys/", "codes/", "codes/file/")


@pytest.mark.parametrize("page", CHANGES)
def test_changes_ask_first_whether_it_is_they(page: str, alice: User) -> None:
    client = Client()
    client.force_login(alice)
    address = f"/settings/security/{page}"
    for answer in (client.get(address), client.post(address)):
        assert answer.url.startswith("/settings/security/confirm/?next=")
    asked = client.get(address).url
    assert client.post(asked, {"password": "wrong", "next": address}).status_code == 400
    assert client.post(asked, {"password": PASSWORD, "next": address}).url == address
    assert client.get(address).status_code == (404 if "codes" in page else 200)


@pytest.mark.parametrize("what", ["a token", "a device's token", "an export", "the audit log"])
def test_what_outlives_a_session_or_leaves_is_for_who_has_lately_shown_who_they_are(what: str) -> None:
    alice = make_user("alice", "view_audit", is_wearer=True)
    device = alice.devices.create(kind="scale")
    client = Client()
    client.force_login(alice)
    ask, page = {
        "a token": (partial(client.post, "/settings/tokens/", {"name": "script"}), "/settings/"),
        "a device's token": (partial(client.post, f"/settings/devices/{device.pk}/token/"), "/settings/"),
        "an export": (partial(client.get, "/wearers/alice/export/profile.csv"), "/settings/"),
        "the audit log": (partial(client.get, "/audit/audit.csv?person=bob"), "/audit/?person=bob"),
    }[what]
    asked = ask()
    assert asked.url == f"/settings/security/confirm/?{urlencode({'next': page})}"
    device.refresh_from_db()
    assert (ApiToken.objects.count(), device.token_hash) == (0, None)
    back = client.post(asked.url, {"password": PASSWORD, "next": page}, follow=True)
    assert "once more" in back.text
    assert ask().status_code == 200
    session = client.session
    session[CONFIRMED] = timezone.now().isoformat()
    session.save()
    assert ask().status_code == 302, "ten minutes later"


def test_the_api_gives_a_session_no_token_of_a_device_before_it_has_shown_whose_it_is() -> None:
    alice = make_user("alice", is_wearer=True)
    device = alice.devices.create(kind="scale")
    client = Client()
    client.force_login(alice)
    refused = client.post(f"/api/v1/devices/{device.pk}/token/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "confirmation_needed")
    client.post("/settings/security/confirm/", {"password": PASSWORD})
    assert client.post(f"/api/v1/devices/{device.pk}/token/").status_code == 201


def test_who_has_a_second_factor_confirms_by_it_and_not_by_the_password(alice: User) -> None:
    secret = with_app(alice)
    client = Client()
    client.force_login(alice)
    asked = "/settings/security/confirm/?next=https://evil.test/"
    assert client.post(asked, {"password": PASSWORD}).status_code == 400
    assert client.post(asked, {"code": code(secret)}).url == "/settings/security/"


def test_setting_up_an_app_shows_picture_and_secret_and_then_the_codes(alice: User) -> None:
    client = signed_in(alice)
    page = client.get("/settings/security/app/").text
    secret = shown_secret(page)
    assert '<path d="M4 4h1v1h-1z' in page, "four modules of quiet, then a corner"
    assert secret not in str(dict(client.session)), "sealed there, too"
    wrong = client.post("/settings/security/app/", {"code": "000000"})
    assert (wrong.status_code, has_second_factor(user=alice)) == (400, False)
    done = client.post("/settings/security/app/", {"code": code(secret)})
    assert done.url == "/settings/security/codes/"
    shown = client.get(done.url).text
    codes = codes_left(user=alice)
    assert len(codes) == 10
    assert all(f"{each[:4]} {each[4:]}" in shown for each in codes)
    file = client.get("/settings/security/codes/file/")
    assert file["Content-Disposition"].startswith("attachment")
    assert f"{codes[9][:4]} {codes[9][4:]}" in file.text
    client.post("/settings/security/codes/new/")
    assert codes_left(user=alice) != codes
    client.post("/settings/security/app/remove/")
    assert not has_second_factor(user=alice)


def test_the_first_factor_ends_all_other_sessions_and_tokens_only_when_asked(alice: User) -> None:
    here, there, mallory = signed_in(alice), signed_in(alice), signed_in(make_user("mallory"))
    token_make(user=alice, at=timezone.now(), lifetime=timedelta(days=1))
    before = here.session.session_key
    page = here.get("/settings/security/app/").text
    assert "Revoke my 1 API token as well" in page
    here.post("/settings/security/app/", {"code": code(shown_secret(page)), "tokens": "1"})
    assert there.get("/settings/security/").url.startswith("/login/"), "its password alone had let it in"
    assert (inside(here), inside(mallory), here.session.session_key != before) == (True, True, True)
    assert "You are signed out everywhere else. 1 API token revoked." in here.get("/settings/security/").text
    assert ApiToken.objects.count() == 0
    door(there)
    there.post("/login/second/", {"code": codes_left(user=alice)[0]})
    passkey_add(user=alice, name="key", credential={})
    assert there.get("/settings/").status_code == 200, "it was asked for the second factor"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1:8000", "open http://localhost:8000/ in place of 127.0.0.1:8000"),
        ("[::1]", "open http://localhost/ in place of [::1]"),
        ("10.0.0.7", "ask whoever runs this Telara for one"),
        ("localhost:8000", ""),
    ],
)
def test_that_passkeys_need_a_name_is_said_before_one_is_asked_for(host: str, told: str, alice: User, settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    client = signed_in(alice, HTTP_HOST=host)
    pages = [client.get(f"/settings/security/{page}").text for page in ("", "passkeys/")]
    assert [told in page if told else "Passkeys need a name" not in page for page in pages] == [True] * 2


@pytest.mark.parametrize("asked", ["foo", "alerts", "//evil.test/", "/\\evil.test/", "javascript:alert(1)", "\x00"])
def test_a_confirmation_leads_to_an_address_of_ours_whatever_was_asked_for(asked: str, alice: User) -> None:
    client = Client()
    client.force_login(alice)
    answer = client.post("/settings/security/confirm/", {"password": PASSWORD, "next": asked})
    assert answer.url == "/settings/security/"


def test_sessions_that_were_never_noted_are_ended_too(alice: User) -> None:
    here, there = signed_in(alice), signed_in(alice)
    UserSession.objects.all().delete()
    assert "Sign out everywhere else" in here.get("/settings/security/").text
    here.post("/settings/security/sessions/end-others/")
    assert there.get("/settings/").status_code == 302
    assert "Signed out of 1 other session." in here.get("/settings/security/").text


def test_a_new_password_ends_all_other_sessions_and_tokens_only_when_asked(alice: User) -> None:
    here, there = signed_in(alice), signed_in(alice)
    token_make(user=alice, at=timezone.now(), lifetime=timedelta(days=1))
    for each in (here, there):
        each.get("/settings/")
    change = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    address = "/settings/security/password/"
    assert here.post(address, change | {"old_password": "wrong"}).status_code == 400
    assert "too common" in here.post(address, change | {"new_password1": "password", "new_password2": "password"}).text
    assert here.post(address, change).url == "/settings/security/"
    assert not Session.objects.filter(pk=there.cookies["sessionid"].value).exists(), "at once, not when it is next used"
    assert (inside(here), there.get("/settings/").status_code, ApiToken.objects.count()) == (True, 302, 1)
    assert "Your password is changed" in here.get("/settings/security/").text
    again = {"old_password": NEW, "new_password1": PASSWORD + "2", "new_password2": PASSWORD + "2", "tokens": "1"}
    here.post(address, again)
    assert ApiToken.objects.count() == 0
    assert len(sessions_of(user=alice, this=None)) == 1


def test_guessing_the_old_password_waits(alice: User) -> None:
    client = signed_in(alice)
    given = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    for _ in range(MOST):
        client.post("/settings/security/password/", given)
    late = client.post("/settings/security/password/", given | {"old_password": PASSWORD})
    assert (late.status_code, late["Retry-After"]) == (429, "300")


def test_sessions_are_listed_in_plain_words_and_ended(alice: User, django_assert_num_queries) -> None:
    here, there = signed_in(alice), signed_in(alice, REMOTE_ADDR="10.0.0.7", HTTP_USER_AGENT=FIREFOX)
    page = here.get("/settings/security/").text
    assert "this one" in page
    assert "Firefox on Linux" in page
    assert "from 10.0.0.7" in page
    assert there.session.session_key not in page
    mine, other = sessions_of(user=alice, this=here.session.session_key)
    assert (mine.is_this, other.browser) == (True, "Firefox on Linux")
    mallory = signed_in(make_user("mallory"))
    assert mallory.post(f"/settings/security/sessions/{other.number}/end/").status_code == 404
    here.post(f"/settings/security/sessions/{other.number}/end/")
    assert (inside(here), there.get("/settings/").status_code) == (True, 302)
    signed_in(alice)
    signed_in(alice).post("/logout/")
    here.post("/settings/security/sessions/end-others/")
    assert "Signed out of 1 other session." in here.get("/settings/security/").text
    assert [each.is_this for each in sessions_of(user=alice, this=here.session.session_key)] == [True]


def test_a_session_is_noted_every_two_minutes_and_forgotten_when_it_is_over(alice: User) -> None:
    client = signed_in(alice)
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    client.get("/settings/")
    assert "1 h" in client.get("/settings/security/").text
    cache.clear()
    client.get("/settings/")
    assert UserSession.objects.get().last_seen_at > timezone.now() - timedelta(minutes=1)
    client.post("/logout/")
    assert sessions_forget() == 1
    session_note(user=alice, session_key="x", address="not one", agent="\x00" * 9999, at=timezone.now())


def test_in_the_admin_a_link_is_made_and_a_lost_factor_taken_away_by_who_may(alice: User) -> None:
    boss, people = Client(), "/admin/devices/user/"
    boss.force_login(User.objects.create_superuser("boss"))
    chief = make_user("chief", "change_user", "view_user", "view_all_wearers", is_staff=True)
    with_app(alice)
    with_app(chief)
    staff = Client()
    staff.force_login(chief)
    for client in (boss, staff):
        refused = client.post(people, {"action": "make_password_link", "_selected_action": [alice.pk]})
        assert refused.url == f"/settings/security/confirm/?{urlencode({'next': people})}"
        confirm(client)

    def act(client: Client, action: str, person: User):
        return client.post(people, {"action": action, "_selected_action": [person.pk]}, follow=True)

    link = re.search(r"http://testserver(/login/reset/\?link=[^<]+)", act(staff, "make_password_link", alice).text)[1]
    assert "alice" in Client().get(link, follow=True).text
    assert "whom you may change" in act(staff, "make_password_link", User.objects.get(username="boss")).text
    elsewhere = Client()
    elsewhere.force_login(alice)
    elsewhere.get("/settings/")
    act(staff, "take_second_factor", chief)
    assert has_second_factor(user=chief), "staff are changed by a superuser"
    act(boss, "take_second_factor", alice)
    assert not has_second_factor(user=alice)
    assert elsewhere.get("/settings/").status_code == 302
