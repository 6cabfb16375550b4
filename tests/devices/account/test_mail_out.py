"""Mails about accounts, through a real mail server: one that takes them, one that refuses, one that says nothing."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from devices.account import mail_out
from devices.account.mail import email_wish, mail_undelivered, password_link_ask
from devices.account.mail_out import AT_ONCE, BACKOFF, KEPT_FOR, LINK_WANTED_FOR, mails_forget, mails_send
from devices.models import Mail, User
from tests.made import PASSWORD, make_user
from tests.post_office import NAME, PostOffice, certificate_make, post_office
from tests.post_office import PASSWORD as OF_THE_SERVER

pytestmark = pytest.mark.django_db
State = Mail.State


@pytest.fixture
def alice() -> User:
    user = make_user("alice")
    EmailAddress.objects.create(user=user, email="alice@x.org", verified=True)
    return user


@pytest.fixture
def office(settings) -> Iterator[PostOffice]:
    with post_office() as opened:
        lead_to(settings, opened)
        yield opened


def lead_to(settings, office: PostOffice, **more: object) -> None:
    settings.TELARA_MAIL, settings.TELARA_URL = True, "http://testserver"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "localhost", office.port, 5
    for name, value in more.items():
        setattr(settings, name, value)


def link_in(office: PostOffice) -> str:
    text = office.mails[-1].get_payload(decode=True).decode()
    found = urlsplit(re.search(r"http\S+", text)[0])
    return f"{found.path}?{found.query}"


def test_a_forgotten_password_is_set_anew_by_a_mail_that_came_through_tls_from_who_signed_in(
    alice: User, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with post_office(certificate) as office:
        lead_to(settings, office, EMAIL_USE_TLS=True, EMAIL_HOST_USER=NAME, EMAIL_HOST_PASSWORD=OF_THE_SERVER)
        client = Client()
        assert "alice@x.org" in client.post("/login/forgot/", {"email": "Alice@x.org"}).text
        assert mails_send(at=timezone.now()) == 1
        assert (office.mails[0]["To"], office.secured) == ("alice@x.org", [True])
        led = client.get(link_in(office))
        given = {"new_password1": "seven grey herons", "new_password2": "seven grey herons"}
        assert client.post(led.url, given).url == "/login/"
        assert mails_send(at=timezone.now()) == 1
        assert "set anew, by a link" in office.mails[1].get_payload(decode=True).decode()
    assert not client.login(username="alice", password=PASSWORD)


@pytest.mark.parametrize("wrong", ["a password", "a certificate"])
def test_a_server_that_does_not_let_us_in_costs_no_mail(
    wrong: str, alice: User, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_make(tmp_path)
    with post_office(certificate) as office:
        ours = {"EMAIL_USE_TLS": True, "EMAIL_HOST_USER": NAME, "EMAIL_HOST_PASSWORD": "wrong"}
        if wrong == "a password":
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        lead_to(settings, office, **ours)
        password_link_ask(email="alice@x.org")
        assert mails_send(at=timezone.now()) == 0
    left = Mail.objects.get()
    assert (left.state, left.attempts) == (State.WAITING, 1)
    assert left.note == (
        "The mail server said: 535 5.7.8 Authentication credentials invalid"
        if wrong == "a password"
        else "The mail server did not answer (SSLCertVerificationError)."
    )


def test_what_the_server_cannot_take_now_is_tried_again_until_it_does(alice: User, office: PostOffice) -> None:
    office.says[:] = ["451 4.7.1 come back later", "421 4.3.2 closing", "250 fine"]
    password_link_ask(email="alice@x.org")
    at = timezone.now()
    assert mails_send(at=at) == 0
    waiting = Mail.objects.get()
    assert (waiting.state, waiting.next_at) == (State.WAITING, at + BACKOFF[0])
    assert mail_undelivered(user=alice).note == "The mail server said: 451 4.7.1 come back later"
    assert mails_send(at=at + BACKOFF[0] - timedelta(seconds=1)) == 0
    assert [mails_send(at=at + BACKOFF[0]), mails_send(at=at + BACKOFF[0] + BACKOFF[1])] == [0, 1]
    assert (len(office.mails), mail_undelivered(user=alice)) == (1, None)


def test_what_the_server_refuses_is_not_tried_again_and_is_said(
    alice: User, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office.says[:] = ["550 5.1.1 no such mailbox"]
    EmailAddress.objects.all().delete()
    for name in ("nowhere@x.org", "alice@x.org"):
        email_wish(user=alice, email=name)
    EmailAddress.objects.create(user=alice, email="nowhere@x.org")  # as it was wished for first
    at = timezone.now()
    assert mails_send(at=at) == 1, "of the two the first was refused, and the next one left all the same"
    refused = Mail.objects.get(state=State.REFUSED)
    assert (refused.address, refused.note) == ("nowhere@x.org", "The mail server said: 550 5.1.1 no such mailbox")
    assert mails_send(at=at + timedelta(days=1)) == 0
    said = "".join(record.getMessage() for record in caplog.records if record.name == "devices.account.mail_out")
    assert "mail.not_delivered" in said
    assert "550" in said
    assert "nowhere@x.org" not in said
    Mail.objects.filter(state=State.SENT).delete()
    client = Client()
    client.force_login(alice)
    page = " ".join(client.get("/settings/security/").text.split())
    assert "The last mail to nowhere@x.org did not arrive. The mail server said: 550 5.1.1 no such mailbox" in page


def test_an_address_that_no_server_is_told_holds_nobody_up(alice: User, office: PostOffice) -> None:
    email_wish(user=alice, email=f"a@{'ü' * 63}.com")
    password_link_ask(email="alice@x.org")
    at = timezone.now()
    assert mails_send(at=at) == 1
    assert mail_undelivered(user=alice) is None, "the last one arrived"
    unsent = Mail.objects.get(kind=Mail.Kind.CHECK)
    assert (unsent.state, unsent.note) == (State.REFUSED, "No mail can be sent to such an address (UnicodeError).")
    assert mails_send(at=at + timedelta(days=1)) == 0


def test_what_a_server_says_of_an_address_is_kept_without_it(alice: User, office: PostOffice) -> None:
    office.says[:] = ["550 5.1.1 <Ann.Lee@xn--tda.org>: no mailbox ann.lee@xn--tda.org."]
    email_wish(user=alice, email="ann.lee@ü.org")
    mails_send(at=timezone.now())
    assert Mail.objects.get().note == "The mail server said: 550 5.1.1 <…>: no mailbox …."


def test_a_batch_that_takes_long_leaves_the_rest_to_the_next_one(
    alice: User, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_out, "LEASE", timedelta())
    for _ in range(3):
        password_link_ask(email="alice@x.org")
    at = timezone.now()
    assert mails_send(at=at) == 1
    left = Mail.objects.filter(state=State.WAITING).values_list("attempts", "next_at")
    assert list(left) == [(0, at)] * 2, "as if nobody had claimed them"
    assert [mails_send(at=at) for _ in range(3)] == [1, 1, 0]
    assert len(office.mails) == 3


def test_a_mail_that_is_on_its_way_for_the_first_time_is_not_called_late(alice: User) -> None:
    Mail.objects.create(user=alice, address="alice@x.org", kind=Mail.Kind.CHECK, attempts=1)  # as the worker claims it
    assert mail_undelivered(user=alice) is None


def test_a_server_that_says_nothing_is_left_alone_and_holds_nobody(alice: User, office: PostOffice, settings) -> None:
    settings.EMAIL_TIMEOUT, office.hangs = 0.3, True
    for _ in range(3):
        password_link_ask(email="alice@x.org")
    at = timezone.now()
    assert mails_send(at=at) == 0
    assert office.callers == 1, "once for all three"
    assert set(Mail.objects.values_list("note", flat=True)) == {
        "The mail server did not answer (SMTPServerDisconnected)."
    }
    settings.EMAIL_TIMEOUT, office.hangs = 5, False
    office.go_on.set()
    assert mails_send(at=at + BACKOFF[0]) == 3


def test_it_ends_after_most_of_a_day_and_for_a_link_after_an_hour(alice: User, settings, office: PostOffice) -> None:
    settings.EMAIL_PORT = 9
    email_wish(user=alice, email="other@x.org")
    password_link_ask(email="alice@x.org")
    at = timezone.now()
    for wait in (timedelta(), *BACKOFF):
        at += wait
        mails_send(at=at)
    assert Mail.objects.get().state == State.GIVEN_UP, "and the link, which nobody waits for any more, is gone"
    assert sum(BACKOFF, timedelta()) > LINK_WANTED_FOR
    assert mails_forget(at=timezone.now() + KEPT_FOR) == 1


def test_nobody_gets_a_link_who_has_no_such_address_and_nothing_is_kept_of_it(alice: User, office: PostOffice) -> None:
    EmailAddress.objects.create(user=make_user("bob"), email="bob@x.org", verified=False)
    EmailAddress.objects.create(user=make_user("gone", is_active=False), email="gone@x.org", verified=True)
    for email in ("nobody@x.org", "bob@x.org", "gone@x.org", *(f"{number}@x.org" for number in range(AT_ONCE))):
        password_link_ask(email=email)
    password_link_ask(email="alice@x.org")
    assert mails_send(at=timezone.now()) == 1, "however many there are, they hold up nobody else's"
    assert [(mail.user, mail.address) for mail in Mail.objects.all()] == [(alice, "alice@x.org")]
