"""The two ways out: a webhook of our own, and the services that apprise knows. No database, no clock of their own.

A webhook is signed as in Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64, by the channel's secret.
"""

import base64
import hashlib
import hmac
import logging
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import certifi
import msgspec
import urllib3

from alerts.notify.deadline import cut_after
from alerts.notify.message import Message
from alerts.notify.places import Network, host_is_refused, judged

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # what such secrets begin with
SEND_S: Final = 10.0  # in all, however slowly somebody answers
TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=5.0)
ADDRESS_LENGTH: Final = 2000
HOST_LENGTH: Final = 100  # of a longer one only the scheme is shown
NOTE_LENGTH: Final = 200
# Services that are one place of their own, and those whose URL names the host.
SERVICES: Final = frozenset({"slack", "discord", "tgram", "pover", "pagerduty", "opsgenie", "twilio"})
HOSTED: Final = frozenset(
    {f"{name}{tls}" for name in ("mailto", "ntfy", "gotify", "matrix", "mmost", "rocket") for tls in ("", "s")}
)
_MAIL_ANSWER: Final = re.compile(r"^DEBUG Socket Exception: .*?\(([45]\d\d), b['\"]")
NOT_LET_IN: Final = frozenset({530, 534, 535, 538})  # until somebody sets it right; the message is as good as before
LOUD: Final = ("WARNING ", "ERROR ", "CRITICAL ")
NOT_TAKEN: Final = "The service did not take it."
_ASKS_TOO_MUCH: Final = re.compile(
    r"pgp|template|attach|include|file|config|path|^(rto|cto|retry|wait|delay)$", re.IGNORECASE
)


class BadAddressError(ValueError):
    """A channel cannot lead there; the text says why, and holds nothing of the address but its scheme."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes: the address, what a webhook is signed with, and the private networks it may reach."""

    kind: str
    address: str
    secret: str = ""
    networks: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it arrived; if not, why, in words without any secret, and whether to try again."""

    arrived: bool
    note: str = ""
    again: bool = True


def new_signing_secret() -> str:
    """256 random bits, as Standard Webhooks writes them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(*, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def address_checked(*, kind: str, address: str, networks: Sequence[Network]) -> str:
    """What people may read of an address: `https://hooks.example.org`, `ntfys, ntfy.example.org`, `slack`.

    Raises BadAddressError where no channel may lead there.
    """
    if len(address) > ADDRESS_LENGTH or not address.isprintable() or " " in address:
        raise BadAddressError("That is no address.")
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port if kind == "webhook" else None  # services write other things there
    except ValueError:
        raise BadAddressError("That is no address.") from None
    if kind == "webhook":
        return _webhook_shown(parts.scheme, host, networks)
    return _service_shown(address, host, networks)


def _webhook_shown(scheme: str, host: str, networks: Sequence[Network]) -> str:
    if scheme not in ("https", "http") or not host:
        raise BadAddressError("A webhook is an address that begins with https://.")
    if scheme == "http" and (not networks or host_is_refused(host, networks) or not host_is_refused(host, ())):
        raise BadAddressError("A webhook is an address that begins with https://.")
    _refuse(host, networks)
    return f"{scheme}://{host}" if len(host) <= HOST_LENGTH else scheme


def _service_shown(address: str, host: str, networks: Sequence[Network]) -> str:
    scheme = address.partition("://")[0].lower()
    if scheme not in SERVICES | HOSTED:
        raise BadAddressError(f"It begins with one of {', '.join(sorted(SERVICES | HOSTED))}, and ://.")
    understood = _understood(address)
    if understood is None:
        raise BadAddressError(f"That is no complete address of {scheme}.")
    if _asks_too_much(understood):
        raise BadAddressError(f"{scheme}: it may not ask for files, other addresses or longer waits.")
    hosts = {host, understood["host"]} if scheme in HOSTED else set()
    for each in hosts | {understood["qsd"].get("smtp")}:
        if each:
            _refuse(each, networks)
    if _plugin(address) is None:
        raise BadAddressError(f"That is no complete address of {scheme}.")
    return f"{scheme}, {host}" if scheme in HOSTED and host and len(host) <= HOST_LENGTH else scheme


def _refuse(host: str, networks: Sequence[Network]) -> None:
    if host_is_refused(host, networks):
        raise BadAddressError("It leads to a private address.")


def _understood(address: str) -> dict[str, Any] | None:
    """What apprise reads in an address, which is not what other readers of URLs do; None where it reads nothing."""
    from apprise.plugins import url_to_dict

    _keep_to_itself()
    understood: dict[str, Any] | None = url_to_dict(address)  # type: ignore[no-untyped-call]
    return understood


def _asks_too_much(understood: dict[str, Any]) -> bool:
    """Whether it names files, other addresses or longer waits, by any of the ways in which apprise takes a name."""
    asked = [pair for key, pairs in understood.items() if key.startswith("qsd") for pair in pairs.items()]
    return any(
        _ASKS_TOO_MUCH.search(name.strip()) or "://" in value or value.startswith(("/", "~", "."))
        for name, value in asked
    )


def _plugin(address: str) -> Any:
    """What sends to an address, and nowhere else, with the patience of TIMEOUT, whatever the address asks for.

    Redirected, a message may become a question (GET), which any page answers well.
    """
    import apprise

    _keep_to_itself()
    plugin: Any = apprise.Apprise.instantiate(address)
    if plugin is not None:
        plugin.socket_connect_timeout = TIMEOUT.connect_timeout  # of a mail server: for all that it is to answer
        plugin.socket_read_timeout = min(plugin.socket_read_timeout, TIMEOUT.read_timeout)
        plugin.retry, plugin.wait, plugin.redirects = 0, 0.0, False
    return plugin


def _keep_to_itself() -> None:
    log = logging.getLogger("apprise")
    log.propagate = False  # what it says may hold parts of the address
    log.setLevel(logging.DEBUG)  # for good: what LogCapture sets, the first thread that is done takes from the others


def send(target: Target, message: Message, *, at: datetime) -> Outcome:
    """Send it now, in SEND_S or not at all."""
    with judged(target.networks) as refused, cut_after(SEND_S) as connections:
        outcome = _post(target, message, at) if target.kind == "webhook" else _notify(target, message)
    if refused and not outcome.arrived:
        return Outcome(arrived=False, note="It leads to a private address.", again=False)
    if connections.is_cut and not outcome.arrived:
        return Outcome(arrived=False, note="It took too long.")
    return outcome


def _post(target: Target, message: Message, at: datetime) -> Outcome:
    body, timestamp, message_id = msgspec.json.encode(message.json), int(at.timestamp()), str(message.message_id)
    signed = signature(secret=target.secret, message_id=message_id, timestamp=timestamp, body=body)
    headers = {
        "content-type": "application/json",
        "user-agent": "Telara",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
    }
    pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT, cert_reqs="CERT_REQUIRED", ca_certs=certifi.where())
    try:
        answer = pool.request("POST", target.address, body=body, headers=headers, redirect=False, preload_content=False)
        status = answer.status
        answer.close()
    except urllib3.exceptions.HTTPError as error:
        return Outcome(arrived=False, note=f"It did not answer ({type(error).__name__}).")
    finally:
        pool.clear()
    if 200 <= status < 300:
        return Outcome(arrived=True)
    return Outcome(arrived=False, note=f"It answered with {status}.", again=status != 410)


def _notify(target: Target, message: Message) -> Outcome:
    import apprise

    understood = _understood(target.address)
    plugin = None if understood is None or _asks_too_much(understood) else _plugin(target.address)
    if plugin is None:
        return Outcome(arrived=False, note="Its address is not understood any more.", again=False)
    # Others send in other threads, and apprise has one log.
    mine = f"{threading.get_ident()} "
    with apprise.LogCapture(level=logging.DEBUG, fmt="%(thread)d %(levelname)s %(message)s") as said:  # type: ignore[no-untyped-call]
        arrived = bool(plugin.notify(body=message.text, title=message.title, body_format=apprise.NotifyFormat.TEXT))
        lines = [line.removeprefix(mine) for line in said.getvalue().splitlines() if line.startswith(mine)]
    if arrived:
        return Outcome(arrived=True)
    return _refused_mail(lines) or Outcome(arrived=False, note=_without_secrets(lines, target.address) or NOT_TAKEN)


def _refused_mail(lines: Sequence[str]) -> Outcome | None:
    """What a mail server answered, by its code: 4xx is "not now"; None where it answered nothing."""
    found = next((match for line in lines if (match := _MAIL_ANSWER.search(line))), None)
    if found is None:
        return None
    code = int(found[1])
    if code < 500:
        return Outcome(arrived=False, note=f"The mail server does not take it now ({code}).")
    return Outcome(arrived=False, note=f"The mail server refused it ({code}).", again=code in NOT_LET_IN)


def _without_secrets(lines: Sequence[str], address: str) -> str:
    """The last warning of what apprise said, without any part of the address."""
    said = [line.partition(" ")[2].strip() for line in lines if line.startswith(LOUD)]
    text = said[-1] if said else ""
    for part in sorted(set(re.split(r"[:/@?&=,]+", unquote(address) + "/" + address)), key=len, reverse=True):
        if len(part) > 3 and part != urlsplit(address).scheme:
            text = text.replace(part, "…")
    return text[:NOTE_LENGTH]
