"""What arrives: a signed webhook, an e-mail, a push; and what is said where it does not."""

import base64
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest
from urllib3 import Timeout

from alerts.models import Channel
from alerts.notify import senders
from alerts.notify.message import Message, Told
from alerts.notify.sealing import UnreadableError, seal, unseal
from alerts.notify.senders import Target, new_signing_secret, send
from alerts.services.notifications import MOST_CHANNELS, NotificationError, channel_make, channel_test
from devices.models import User
from tests.alerts.notify.hook import Hook, slow_hook
from tests.post_office import NAME, PASSWORD, PostOffice, certificate_make, post_office

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"),)
MESSAGE = Message(
    UUID(int=7), "start", NOON, severity="CRITICAL", alert_class="clinical", incident_id=UUID(int=8),
    url="https://telara.example.org/alerts/1/",
)  # fmt: skip


def test_a_webhook_is_signed_with_its_id_and_its_time(listener: Hook) -> None:
    secret = new_signing_secret()
    assert send(Target("webhook", listener.url, secret, LOOPBACK), MESSAGE, at=NOON).arrived
    ((headers, body),) = listener.received
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["webhook-id"] == listener.told[0]["id"] == str(UUID(int=7))
    assert int(headers["webhook-timestamp"]) == NOON.timestamp()
    assert listener.told[0] == {
        "id": "00000000-0000-0000-0000-000000000007", "kind": "start", "made_at": "2026-03-01T12:00:00.000Z",
        "severity": "CRITICAL", "class": "clinical", "incident_id": "00000000-0000-0000-0000-000000000008",
        "title": "Telara: CRITICAL alert", "url": "https://telara.example.org/alerts/1/",
    }  # fmt: skip


def mail_to(office: PostOffice, *, scheme: str = "mailto", who: str = "") -> Target:
    address = f"{scheme}://{who}localhost:{office.port}?from=telara@example.org&to=ann@example.org"
    return Target("apprise", address, "", (*LOOPBACK, ip_network("::1")))


def test_an_e_mail_arrives_through_tls_from_who_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certificate_make(tmp_path)
    who = f"{NAME}:{quote(PASSWORD)}@"
    with post_office(certificate) as office:
        unknown = send(mail_to(office, scheme="mailtos", who=who), MESSAGE, at=NOON)
        assert (unknown.arrived, office.mails) == (False, []), "nothing is told to a server that cannot say who it is"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        wrong = send(mail_to(office, scheme="mailtos", who=f"{NAME}:wrong@"), MESSAGE, at=NOON)
        assert (wrong.arrived, wrong.again, wrong.note) == (False, True, "The mail server refused it (535).")
        assert send(mail_to(office, scheme="mailtos", who=who), MESSAGE, at=NOON).arrived
    assert (office.mails[0]["Subject"], office.secured) == ("Telara: CRITICAL alert", [True])
    assert "ann@example.org" in office.mails[0]["To"]


def test_an_e_mail_says_what_the_message_says_line_by_line() -> None:
    alert = Told(UUID(int=1), "Heart rate < 40 & falling", "HIGH", "firing", "Heart rate <40 for 3 readings.")
    with post_office() as office:
        assert send(mail_to(office), replace(MESSAGE, told=[alert, alert]), at=NOON).arrived
    (mail,) = office.mails
    said = "Heart rate < 40 & falling (HIGH, firing). Heart rate <40 for 3 readings."
    assert mail.get_content_type() == "text/plain"
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().splitlines() == [said, said, "Open Telara: https://telara.example.org/alerts/1/"]


def test_what_a_mail_server_refuses_is_told_from_what_it_cannot_take_now(monkeypatch: pytest.MonkeyPatch) -> None:
    with post_office() as office:
        office.says[:] = ["451 4.7.1 ann@example.org: come back later", "550 5.1.1 ann@example.org: nobody"]
        later, never = (send(mail_to(office), MESSAGE, at=NOON) for _ in range(2))
        assert (later.again, later.note) == (True, "The mail server does not take it now (451).")
        assert (never.again, never.note) == (False, "The mail server refused it (550).")
        monkeypatch.setattr(senders, "TIMEOUT", Timeout(connect=0.3, read=0.3))
        office.hangs = True
        silent = send(mail_to(office), MESSAGE, at=NOON)
        office.go_on.set()
    assert (silent.arrived, silent.again, office.mails) == (False, True, [])
    assert "mail" in silent.note


def test_what_is_said_of_one_message_is_not_what_befell_another_one_at_the_same_time() -> None:
    with post_office() as office, post_office() as other, ThreadPoolExecutor(2) as elsewhere:
        office.says[:], other.says[:] = ["550 5.1.1 nobody", "550 5.1.1 nobody"], ["451 not now"]
        office.hangs = other.hangs = True
        first = elsewhere.submit(send, mail_to(other), MESSAGE, at=NOON)
        assert other.asked.wait(10)
        last = elsewhere.submit(send, mail_to(office), MESSAGE, at=NOON)
        assert office.asked.wait(10)
        other.go_on.set()
        assert first.result(10).note == "The mail server does not take it now (451)."
        office.go_on.set()
        assert last.result(10).note == "The mail server refused it (550)."


def test_a_push_arrives(listener: Hook) -> None:
    target = Target("apprise", f"ntfy://127.0.0.1:{listener.port}/topic", "", LOOPBACK)
    outcome = send(target, MESSAGE, at=NOON)
    assert outcome.arrived, outcome.note
    assert b"Open Telara: https://telara.example.org/alerts/1/" in listener.received[0][1]


@pytest.mark.parametrize(
    ("kind", "address"), [("webhook", "http://127.0.0.1:{}/x"), ("apprise", "ntfy://127.0.0.1:{}/x")]
)
def test_whoever_answers_a_byte_at_a_time_is_cut_off(kind: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "SEND_S", 0.2)
    with slow_hook() as port:
        outcome = send(Target(kind, address.format(port), new_signing_secret(), LOOPBACK), MESSAGE, at=NOON)
    assert (outcome.arrived, outcome.again, outcome.note) == (False, True, "It took too long.")


def test_an_address_of_before_that_asks_too_much_is_not_used(listener: Hook) -> None:
    target = Target("apprise", f"ntfy://127.0.0.1:{listener.port}/topic?x=y;template=/etc/passwd", "", LOOPBACK)
    outcome = send(target, MESSAGE, at=NOON)
    assert (outcome.arrived, outcome.again, listener.received) == (False, False, [])


def test_no_address_makes_it_wait_longer_or_try_again() -> None:
    plugin = senders._plugin("ntfy://8.8.8.8/topic?rto=86400&cto=86400&retry=5&wait=60")
    assert (plugin.socket_read_timeout, plugin.socket_connect_timeout) == (5.0, 5.0)
    assert (plugin.retry, plugin.wait) == (0, 0.0)


def test_where_it_did_not_arrive_it_says_why_without_any_secret(listener: Hook, caplog) -> None:
    listener.answers[:] = [403]
    target = Target("apprise", f"gotify://127.0.0.1:{listener.port}/AbCdEfGhIjKlMnO", "", LOOPBACK)
    outcome = send(target, MESSAGE, at=NOON)
    assert not outcome.arrived
    assert outcome.note
    assert "AbCdEfGhIjKlMnO" not in outcome.note + caplog.text
    nobody = send(Target("webhook", "http://127.0.0.1:9/secret-path", new_signing_secret(), LOOPBACK), MESSAGE, at=NOON)
    assert (nobody.arrived, nobody.again) == (False, True)
    assert "secret-path" not in nobody.note + caplog.text


@pytest.mark.django_db
def test_an_address_and_a_secret_are_kept_sealed(channel: Channel, listener: Hook, settings) -> None:
    row = Channel.objects.values().get()
    assert "secret-path" not in str(row)
    assert unseal(row["sealed_address"]) == listener.url
    assert unseal(row["sealed_secret"]).startswith("whsec_")
    assert row["shown"] == "http://127.0.0.1"
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert unseal(row["sealed_address"]) == listener.url
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(UnreadableError):
        unseal(row["sealed_address"])
    assert unseal(seal("x")) == "x"


@pytest.mark.django_db
def test_a_name_is_given_once_and_channels_are_counted(channel: Channel, alice: User, listener: Hook) -> None:
    def make(name: str) -> None:
        channel_make(owner=alice, name=name, kind="webhook", address=listener.url, networks=LOOPBACK)

    with pytest.raises(NotificationError, match="of that name"):
        make("phone")
    for number in range(MOST_CHANNELS - 1):
        make(f"phone {number}")
    with pytest.raises(NotificationError, match="Remove one"):
        make("one more")


@pytest.mark.django_db
def test_one_test_at_a_time(channel: Channel) -> None:
    channel_test(channel=channel, at=NOON)
    with pytest.raises(NotificationError, match="on its way"):
        channel_test(channel=channel, at=NOON)
