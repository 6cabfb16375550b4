"""A real mail server on a free port, which takes what it is sent, refuses it, or says nothing at all."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from ipaddress import ip_address
from pathlib import Path
from threading import Event
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME, PASSWORD = "telara", "a mail server's"


@dataclass(slots=True)
class PostOffice:
    """`says`: what it answers to a recipient next, in turn; `hangs`: it says nothing until it is told to `go_on`.
    `asked`: somebody named a recipient; `callers`: how many did, one after the other."""

    port: int = 0
    says: list[str] = field(default_factory=list)
    hangs: bool = False
    asked: Event = field(default_factory=Event)
    callers: int = 0
    go_on: Event = field(default_factory=Event)
    mails: list[Message] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)  # of each mail, whether it came through TLS, by who signed in

    async def handle_RCPT(  # noqa: N802  # the library's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.asked.set()
        self.callers += 1
        while self.hangs and not await server.loop.run_in_executor(None, self.go_on.wait, 0.05):
            pass
        answer = self.says.pop(0) if self.says else "250 fine"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(bytes(envelope.content or b"")))
        self.secured.append(session.ssl is not None and bool(session.authenticated))
        return "250 taken"


class _OnFreePort(Controller):
    def _create_server(self) -> Any:
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        return self.loop.create_server(self._factory_invoker, sock=listening)


@contextmanager
def post_office(certificate: Path | None = None) -> Iterator[PostOffice]:
    """It runs within the block; with a certificate only through TLS, and only for NAME and PASSWORD."""
    office, options = PostOffice(), {}
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": _known}
    controller = _OnFreePort(office, hostname="127.0.0.1", **options)
    controller.start()
    office.port = controller.port
    try:
        yield office
    finally:
        office.go_on.set()
        controller.stop()


def _known(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: LoginPassword) -> AuthResult:
    return AuthResult(success=(given.login, given.password) == (NAME.encode(), PASSWORD.encode()), handled=False)


def certificate_make(folder: Path) -> Path:
    """A key and the certificate of `localhost` that it signed itself, in one file."""
    key, at = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    kind = serialization.Encoding.PEM
    secret = key.private_bytes(kind, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "localhost.pem"
    path.write_bytes(secret + made.public_bytes(kind))
    return path
