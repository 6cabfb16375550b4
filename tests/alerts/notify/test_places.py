"""Where a message may not go, when a channel is made and when it is sent."""

import socket
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from uuid import uuid4

import pytest

from alerts.notify import places
from alerts.notify.message import Message
from alerts.notify.places import is_allowed, judged
from alerts.notify.senders import BadAddressError, Target, address_checked, send
from tests.alerts.notify.hook import Hook

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"),)
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1",
        "fec0::1", "feff::1", "::7f00:1", "::8.8.8.8",
    ],
)  # fmt: skip
def test_no_message_goes_to_a_private_address(address: str) -> None:
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_ones_are_fine(address: str) -> None:
    assert is_allowed(ip_address(address), ())


def test_a_network_that_the_settings_name_is_fine_and_no_other() -> None:
    assert is_allowed(ip_address("127.0.0.1"), LOOPBACK)
    assert is_allowed(ip_address("::ffff:127.0.0.1"), LOOPBACK)
    assert not is_allowed(ip_address("10.0.0.1"), LOOPBACK)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "https://127.0.0.1/x"),
        ("webhook", "https://localhost/x"),
        ("webhook", "https://[::1]:8000/x"),
        ("webhook", "https://169.254.169.254/latest"),
        ("webhook", "https://2130706433/"),
        ("webhook", "http://8.8.8.8/"),
        ("webhook", "ftp://8.8.8.8/"),
        ("webhook", "file:///etc/passwd"),
        ("webhook", "https://"),
        ("webhook", "https://[::1/x"),
        ("webhook", "https://8.8.8.8:99999/"),
        ("apprise", "json://8.8.8.8/"),
        ("apprise", "https://8.8.8.8/"),
        ("apprise", "file:///tmp/x"),
        ("apprise", "syslog://"),
        ("apprise", "ntfy://127.0.0.1/topic"),
        ("apprise", "gotify://10.0.0.1/AbCdEfGhIjK"),
        ("apprise", "mailto://ann:pw@example.org?smtp=127.0.0.1"),
        ("apprise", "mailto://ann:pw@8.8.8.8?pgp=yes&pgpkey=/etc/passwd"),
        ("apprise", "ntfys://8.8.8.8/topic?attach=https://8.8.4.4/x"),
        ("apprise", "ntfys://8.8.8.8/topic, json://127.0.0.1"),
        ("apprise", "ntfys://8.8.8.8/topic?x=y;rto=86400"),
        ("apprise", "ntfys://8.8.8.8/topic#?rto=86400&retry=5"),
        ("apprise", "ntfys://8.8.8.8/topic?%20RTO=86400"),
        ("apprise", "ntfys://8.8.8.8/topic?+template=/etc/passwd"),
        ("apprise", "mailto://ann:pw@8.8.8.8?x=y;template=/etc/passwd"),
        ("apprise", "mailto://ann:pw@8.8.8.8?x=y;smtp=127.0.0.1"),
        ("apprise", "ntfy:///127.0.0.1/topic"),
        ("apprise", "slack://nothing"),
        ("apprise", "nonsense"),
    ],
)
def test_a_channel_leads_nowhere_private_and_to_nothing_that_is_not_on_the_list(kind: str, address: str) -> None:
    with pytest.raises(BadAddressError) as refused:
        address_checked(kind=kind, address=address, networks=())
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "address", "shown"),
    [
        ("webhook", "https://user:pw@8.8.8.8/secret-path?token=t", "https://8.8.8.8"),
        ("webhook", f"https://{'a' * 60}.{'b' * 60}.example.invalid/x", "https"),
        ("apprise", "ntfys://8.8.8.8/secret-topic", "ntfys, 8.8.8.8"),
        ("apprise", "mailtos://ann:pw@8.8.8.8?to=ann@example.org&from=a@example.org", "mailtos, 8.8.8.8"),
        ("apprise", "tgram://123456789:abcdefg_hijklmnop/12315544/", "tgram"),
        ("apprise", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", "slack"),
        ("apprise", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ward", "slack"),
    ],
)
def test_of_an_address_only_the_host_is_shown(kind: str, address: str, shown: str) -> None:
    assert address_checked(kind=kind, address=address, networks=()) == shown


def test_a_name_that_leads_elsewhere_by_then_leads_nowhere(listener: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    def rebound(host: str, port: object, *args: object, **options: object) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", listener.port))]

    monkeypatch.setattr(places, "_real", rebound)
    target = Target("webhook", f"http://hooks.example.org:{listener.port}/", SECRET)
    outcome = send(target, Message(uuid4(), "test", NOON), at=NOON)
    assert (outcome.arrived, outcome.again, outcome.note) == (False, False, "It leads to a private address.")
    assert listener.received == []


def test_a_service_that_leads_to_a_private_address_leads_nowhere(listener: Hook) -> None:
    target = Target("apprise", f"ntfy://127.0.0.1:{listener.port}/topic")
    outcome = send(target, Message(uuid4(), "test", NOON), at=NOON)
    assert (outcome.arrived, outcome.note, listener.received) == (False, "It leads to a private address.", [])


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "http://127.0.0.1:{}/x"),
        ("apprise", "ntfy://127.0.0.1:{}/x"),
        ("apprise", "ntfy://127.0.0.1:{}/x?redirect=yes"),
    ],
)
def test_a_redirect_is_not_followed(listener: Hook, kind: str, address: str) -> None:
    listener.answers[:] = [307]
    target = Target(kind, address.format(listener.port), SECRET, LOOPBACK)
    outcome = send(target, Message(uuid4(), "test", NOON), at=NOON)
    assert (outcome.arrived, "307" in outcome.note, len(listener.received)) == (False, True, 1)


def test_other_threads_and_the_time_after_are_not_judged() -> None:
    with judged(()) as refused, pytest.raises(OSError, match="private"):
        socket.getaddrinfo("127.0.0.1", 80)
    assert refused == ["127.0.0.1"]
    assert socket.getaddrinfo("127.0.0.1", 80)
