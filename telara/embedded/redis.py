"""The embedded Redis: `redis-server` where the machine has one, else fakeredis, on a loopback port, in memory only."""

import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from telara.embedded import tether
from telara.embedded.checkout import Checkout, EmbeddedError

if TYPE_CHECKING:
    from fakeredis import TcpFakeServer

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
daemonize no
loglevel warning
maxclients 1000
"""


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RedisServer:
    """A `redis-server` of our own, with a password, since other users of the machine reach its port."""

    name = "redis"
    folders: tuple[str, ...] = ()

    def __init__(self, checkout: Checkout, program: str) -> None:
        self.checkout = checkout
        self.program = program
        self.password = secrets.token_urlsafe(24)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self.password}@127.0.0.1:{self.port}/0"}

    def start(self) -> None:
        """Start it, on the port it had before if it had one, and return when it answers."""
        before = self.port
        for _attempt in range(5):
            self._spawn(before or free_port())
            deadline = time.monotonic() + 10
            while self.is_alive() and time.monotonic() < deadline:
                if self._answers():
                    return
                time.sleep(0.02)
            self.stop()
        log = self.checkout.log_file("redis").read_text(errors="replace").strip()
        raise EmbeddedError(f"The embedded Redis does not start: {log[-1000:]}")

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)  # it keeps nothing that could be lost
            self.process.wait()

    def _spawn(self, port: int) -> None:
        self.port = port
        with self.checkout.log_file("redis").open("wb") as log:
            self.process = subprocess.Popen(
                tether.command([self.program, "-"]),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        with self.process.stdin as stdin:
            stdin.write(CONFIGURATION.format(port=port, password=self.password).encode())

    def _answers(self) -> bool:
        request = f"AUTH {self.password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(request)
                return b"+OK" in connection.recv(1024)  # only the server that we started knows the password
        except OSError:
            return False


class FakeRedis:
    """fakeredis behind a port, in the supervisor itself: slower, and nothing to install."""

    name = "redis"
    folders: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.environ: dict[str, str] = {}
        self._server: TcpFakeServer | None = None

    def start(self) -> None:
        from fakeredis import TcpFakeServer  # half a second, for those who need it

        self._server = TcpFakeServer(("127.0.0.1", 0))
        self._server.daemon_threads = True
        self.environ = {"REDIS_URL": f"redis://127.0.0.1:{self._server.server_address[1]}/0"}
        threading.Thread(target=self._server.serve_forever, name="fakeredis", daemon=True).start()

    def is_alive(self) -> bool:
        return self._server is not None

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None


def make(checkout: Checkout) -> RedisServer | FakeRedis:
    """Whichever of the two this machine can run."""
    program = shutil.which("redis-server")
    return RedisServer(checkout, program) if program else FakeRedis()
