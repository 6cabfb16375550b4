"""Mails about an account: the way back in, whose address it is, and what is told of changes."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from dashboard.account.known_browser import COOKIE
from devices.account.attempts import MOST, MOST_OF_ADDRESS
from devices.account.mail import email_of, email_wish
from devices.account.passwords import link_secret
from devices.account.second_factor import (
    codes_left,
    factors_take_away,
)
from devices.erasures import erasure_ask
from devices.models import User
from tests.dashboard.doors import (
    FIREFOX,
    NEW,
    code,
    door,
    follow,
    inside,
    link_in,
    secret_in,
    shown_secret,
    signed_in,
    with_app,
)
from tests.dashboard.pages import described
from tests.made import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def test_the_answer_to_a_forgotten_password_is_the_same_for_every_address(client: Client, alice: User, mailing) -> None:
    EmailAddress.objects.create(user=alice, email="alice@x.org", verified=True)
    EmailAddress.objects.create(user=make_user("bob"), email="bob@x.org", verified=False)
    emails = ("Alice@x.org", "bob@x.org", "nobody@x.org")
    texts = [client.post("/login/forgot/", {"email": email}).text for email in emails]
    plain = [text.replace(email.lower(), "") for text, email in zip(texts, emails, strict=True)]
    tokens = re.compile(r'(csrfmiddlewaretoken" value="|csrf-token" content=")[^"]+|data-server-time="[^"]+')
    assert len({tokens.sub("", text) for text in plain}) == 1
    assert [message.to for message in mailing()] == [["alice@x.org"]]
    for _ in range(MOST):
        last = client.post("/login/forgot/", {"email": "nobody@x.org"})
    assert last.status_code == 429


def test_asking_for_links_makes_nobody_wait_who_signs_in_from_there(client: Client, alice: User, mailing) -> None:
    answers = [client.post("/login/forgot/", {"email": f"{n}@x.org"}).status_code for n in range(MOST_OF_ADDRESS + 1)]
    assert answers == [200] * MOST_OF_ADDRESS + [429]
    assert door(client).url == "/"


def test_a_mail_leads_to_the_site_and_not_to_where_its_request_says(
    client: Client, alice: User, mailing, settings
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    EmailAddress.objects.create(user=alice, email="alice@x.org", verified=True)
    client.post("/login/forgot/", {"email": "alice@x.org"}, headers={"Host": "evil.test"})
    assert "alice" in client.get(link_in(mailing()[0]), follow=True).text


def test_a_link_sets_a_password_once_and_ends_every_session(client: Client, alice: User, mailing) -> None:
    elsewhere = signed_in(alice)
    EmailAddress.objects.create(user=alice, email="alice@x.org", verified=True)
    client.post("/login/forgot/", {"email": "alice@x.org"})
    link = link_in(mailing()[0])
    led = client.get(link)
    assert (led.url, led["Referrer-Policy"]) == ("/login/reset/", "no-referrer"), "the secret stays in no address"
    page = client.get(led.url).text
    assert "alice" in page
    assert secret_in(mail.outbox[0]) not in page + str(dict(client.session))
    given = {"new_password1": NEW, "new_password2": NEW}
    assert Client().post("/login/reset/", given).status_code == 404
    wrong = client.post("/login/reset/", given | {"new_password2": "other"})
    assert wrong.status_code == 400
    assert "The two password fields" in described(wrong.text)["id_new_password2_error"]
    assert client.post("/login/reset/", given).url == "/login/"
    assert elsewhere.get("/settings/").status_code == 302
    assert client.get(link).status_code == 404
    assert door(client, password=NEW).url == "/"


def test_an_address_that_no_mail_can_be_sent_to_is_none(alice: User, mailing) -> None:
    answer = signed_in(alice).post("/settings/security/email/", {"email": f"a@{'ü' * 63}.com"})
    assert (answer.status_code, "That is no e-mail address." in answer.text) == (400, True)
    assert email_of(user=alice) == ("", "")


@pytest.mark.parametrize("link", ["", "x", "MQ.", "MQ.x-y", "\x00", "9" * 500, "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk.x"])
def test_no_link_is_too_strange(client: Client, alice: User, link: str) -> None:
    for path in ("/login/reset/", "/login/email/"):
        assert client.get(path, {"link": link}).status_code == 404
        assert client.post(path, {"link": link}).status_code == 404


def test_a_link_of_somebody_who_left_sets_nothing(client: Client, alice: User) -> None:
    secret = link_secret(user=alice)
    User.objects.update(is_active=False)
    assert client.get("/login/reset/", {"link": secret}).status_code == 404


def test_without_a_mail_server_the_pages_say_what_to_do(client: Client, alice: User) -> None:
    assert "Ask whoever runs" in client.get("/login/").text
    page = client.post("/login/forgot/", {"email": "alice@x.org"}).text
    assert "in the admin" in page
    inner = signed_in(alice)
    assert "sends no mail" in inner.get("/settings/security/").text
    assert inner.post("/settings/security/email/", {"email": "alice@x.org"}).status_code == 400


def test_an_address_counts_once_its_link_was_followed_and_replaces_the_one_before(alice: User, mailing) -> None:
    client = signed_in(alice)
    client.post("/settings/security/email/", {"email": "First@x.org"})
    assert email_of(user=alice) == ("", "first@x.org")
    client.post("/login/forgot/", {"email": "first@x.org"})
    link = link_in(mailing()[0])
    assert len(mail.outbox) == 1, "no link for a password goes to an address that is not confirmed"
    elsewhere = Client()
    led = elsewhere.get(link)
    assert (led.url, led["Referrer-Policy"]) == ("/login/email/", "no-referrer"), "the secret stays in no address"
    assert "first@x.org" in elsewhere.get(led.url).text
    assert email_of(user=alice) == ("", "first@x.org"), "opening the page confirms nothing"
    assert "is confirmed" in elsewhere.post("/login/email/").text
    assert email_of(user=alice) == ("first@x.org", "")
    client.post("/settings/security/email/", {"email": "second@x.org"})
    assert email_of(user=alice) == ("first@x.org", "second@x.org")
    follow(mailing()[1])
    assert email_of(user=alice) == ("second@x.org", "")
    assert (mailing()[2].to, "another one now" in mail.outbox[2].body) == (["first@x.org"], True)
    email_wish(user=alice, email="third@x.org")
    again = client.post("/settings/security/email/", {"email": "Second@x.org"}, follow=True)
    assert "confirmed already" in again.text
    assert (len(mailing()), email_of(user=alice)) == (3, ("second@x.org", ""))
    client.post("/settings/security/email/", {"email": ""})
    assert email_of(user=alice) == ("", "")
    assert (mailing()[3].to, "was taken away" in mail.outbox[3].body) == (["second@x.org"], True)
    assert "nobody tells you" in client.get("/settings/security/").text


def test_an_address_that_somebody_else_has_confirmed_counts_for_nobody_else(alice: User, mailing, monkeypatch) -> None:
    EmailAddress.objects.create(user=make_user("bob"), email="both@x.org", verified=True)
    email_wish(user=alice, email="both@x.org")
    assert follow(mailing()[0]).status_code == 409
    monkeypatch.setattr(EmailAddress, "can_set_verified", lambda _: True)  # as it is until the other has just done it
    assert follow(mail.outbox[0]).status_code == 409
    assert email_of(user=alice) == ("", "both@x.org")


def test_who_has_an_address_is_told_of_what_is_changed_and_no_secret_is_in_it(alice: User, mailing) -> None:
    client = signed_in(alice)
    EmailAddress.objects.create(user=alice, email="alice@x.org", verified=True)
    User.objects.update(time_zone="Europe/Berlin")
    secret = shown_secret(client.get("/settings/security/app/").text)
    client.post("/settings/security/app/", {"code": code(secret)})
    codes = codes_left(user=alice)
    client.post("/settings/security/codes/new/")
    change = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    client.post("/settings/security/password/", change)
    client.post("/settings/security/app/remove/")
    sent = mailing()
    assert [message.subject for message in sent] == [
        "Your account on Telara: added a second factor", "Your account on Telara: made recovery codes",
        "Your account on Telara: changed a password", "Your account on Telara: removed a second factor",
    ]  # fmt: skip
    everything = "".join(message.body for message in sent)
    for told in ("authenticator app", "in Europe/Berlin (", " UTC)", "From: the address 127.0.0.1", "/login/forgot/"):
        assert told in everything
    for unsaid in (secret, NEW, PASSWORD, *codes, *codes_left(user=alice), client.session.session_key):
        assert unsaid not in everything
    with_app(alice)
    door(client, password=NEW)
    client.post("/login/second/", {"code": codes_left(user=alice)[0]})
    factors_take_away(user=alice, by=make_user("chief"))
    added, used, taken = mailing()[4:]
    assert (used.subject[-20:], "By: somebody who runs" in taken.body) == ("used a recovery code", True)
    assert "From:" not in added.body, "nobody asked by a page"
    erasure_ask(user=alice, at=timezone.now(), grace=timedelta(days=1))
    assert "to delete everything of alice" in mailing()[-1].body


def test_a_sign_in_with_a_browser_that_is_not_known_is_told_once(alice: User, mailing) -> None:
    EmailAddress.objects.create(user=alice, email="alice@x.org", verified=True)
    first = signed_in(alice, HTTP_USER_AGENT=FIREFOX)
    assert "that it does not know: Firefox on Linux" in mailing()[0].body
    first.post("/logout/")
    door(first)
    with_app(alice)
    first.post("/logout/")
    secret = with_app(alice)
    door(first)
    assert inside(first) is False
    first.post("/login/second/", {"code": code(secret)})
    assert len([each for each in mailing() if "signed in" in each.subject]) == 1, "it is known, by its cookie"
    first.post("/logout/")
    alice.set_password(NEW)
    alice.save(update_fields=["password"])
    door(first, password=NEW)
    first.post("/login/second/", {"code": codes_left(user=alice)[0]})
    told = [each for each in mailing() if "signed in" in each.subject]
    assert len(told) == 2, "whoever knew the password before, with a browser of theirs, is new with the next one"
    bob = make_user("bob")
    EmailAddress.objects.create(user=bob, email="bob@x.org", verified=True)
    first.post("/logout/")
    door(first, "bob")
    assert (mailing()[-1].to, "signed in" in mail.outbox[-1].subject) == (["bob@x.org"], True), "not for bob"
    forged = Client()
    forged.cookies[COOKIE] = f"{'0' * 32}.x." + "y" * 9999
    door(forged, "bob")
    assert len([each for each in mailing() if each.to == ["bob@x.org"]]) == 2
    assert len(forged.cookies[COOKIE].value) < 100
