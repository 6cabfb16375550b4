"""The one detached process of a checkout that holds its embedded services, for as long as somebody uses them.

Started by `telara.embedded.join`, with the names of the services and a pipe to say on that they are up, or why not.
"""

import fcntl
import logging
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from telara.embedded.checkout import Checkout, EmbeddedError, State, take

IDLE = 10.0  # seconds without a user after which everything stops
TICK = 0.25
RESTARTS = 5  # of one service, after which something is wrong that another start will not mend
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
LOG = logging.getLogger("telara.embedded")


class Service(Protocol):
    """One stand-in: what it puts into the environment of those who join, and folders to remove after it."""

    @property
    def name(self) -> str: ...
    @property
    def environ(self) -> dict[str, str]: ...
    @property
    def folders(self) -> list[str] | tuple[str, ...]: ...
    def start(self) -> None: ...
    def is_alive(self) -> bool: ...
    def stop(self) -> None: ...


def make_service(name: str, checkout: Checkout) -> Service:
    """The stand-in of that name; each brings its own libraries, so only what is wanted is imported."""
    if name == "postgres":
        from telara.embedded.postgres import Postgres

        return Postgres(checkout)
    if name == "kafka":
        from telara.embedded.kafka import Kafka

        return Kafka()
    from telara.embedded import redis

    return redis.make(checkout)


class Supervisor:
    """Starts what is wanted, restarts what dies, and stops when nobody holds the `users` lock for IDLE seconds."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.services: dict[str, Service] = {}
        self.restarts: dict[str, int] = {}
        self.failed: dict[str, str] = {}
        self.users = checkout.open_lock("users")
        self.last_used = time.monotonic()

    def add(self, names: list[str]) -> None:
        """Start the services that do not run yet, and say where all of them are. Raises EmbeddedError."""
        for name in names:
            if name not in self.services:
                began = time.monotonic()
                service = make_service(name, self.checkout)
                try:
                    service.start()
                except EmbeddedError:
                    service.stop()
                    raise
                self.services[name] = service
                LOG.info("%s is up after %.2f s", name, time.monotonic() - began)
        self._publish()

    def step(self) -> bool:
        """Wait for a signal or a tick and do what is due; False when it is time to stop."""
        received = signal.sigtimedwait(SIGNALS, TICK)
        if received is not None and received.si_signo != signal.SIGUSR1:
            LOG.info("stopping: %s", signal.Signals(received.si_signo).name)
            return False
        if self.checkout.read_state() is None:
            LOG.info("stopping: %s is gone", self.checkout.state_file)
            return False
        self._take_wishes()
        self._restart_dead()
        return not self._is_idle()

    def stop(self) -> None:
        """Take the state away first, so that nobody joins what is ending."""
        with suppress(OSError):
            self.checkout.state_file.unlink(missing_ok=True)
        for service in reversed(self.services.values()):
            service.stop()
            LOG.info("%s is down", service.name)

    def _publish(self) -> None:
        environ = {name: service.environ for name, service in self.services.items()}
        folders = [folder for service in self.services.values() for folder in service.folders]
        self.checkout.write_state(State(pid=os.getpid(), environ=environ, folders=folders, failed=self.failed))

    def _take_wishes(self) -> None:
        """Add what a command asks for; where that fails it is told why, and the others keep what they have."""
        with suppress(FileNotFoundError):
            names = self.checkout.wanted_file.read_text().split(",")
            self.failed = {}
            try:
                self.add(names)
            except EmbeddedError as error:
                LOG.exception("cannot add %s", ", ".join(names))
                self.failed = dict.fromkeys(names, str(error))
                self._publish()
            self.checkout.wanted_file.unlink()

    def _restart_dead(self) -> None:
        for name, service in self.services.items():
            if service.is_alive():
                continue
            self.restarts[name] = self.restarts.get(name, 0) + 1
            if self.restarts[name] > RESTARTS:
                raise EmbeddedError(f"The embedded {name} died {RESTARTS + 1} times.")
            LOG.warning("%s died and is started again", name)
            service.start()

    def _is_idle(self) -> bool:
        """Whether nobody used the services for IDLE seconds; if so, the state is gone before anybody can join again."""
        if not take(self.users, fcntl.LOCK_EX, wait=0):
            self.last_used = time.monotonic()
            return False
        fcntl.flock(self.users, fcntl.LOCK_UN)
        if time.monotonic() - self.last_used < IDLE:
            return False
        with self.checkout.locked("start", wait=0) as mine:
            if not mine or not take(self.users, fcntl.LOCK_EX, wait=0):
                return False
            LOG.info("stopping: nobody used the services for %.0f s", IDLE)
            self.checkout.state_file.unlink(missing_ok=True)
            return True


def clean_up_after_predecessor(checkout: Checkout) -> None:
    """Remove what a supervisor that was killed could not."""
    state = checkout.read_state()
    for folder in state.folders if state else []:
        if Path(folder).name.startswith("telara-"):
            shutil.rmtree(folder, ignore_errors=True)
    checkout.state_file.unlink(missing_ok=True)
    checkout.wanted_file.unlink(missing_ok=True)


def tell(report: int, text: str) -> None:
    """Answer the command that started us, if it is still there; if not, the next one finds us by the state."""
    with suppress(BrokenPipeError):
        os.write(report, text.encode())
    os.close(report)


def serve(checkout: Checkout, names: list[str], report: int) -> int:
    """Hold the services until it is time to stop; `report` is told `ok`, or what went wrong, and closed."""
    supervisor = Supervisor(checkout)
    clean_up_after_predecessor(checkout)
    try:
        try:
            supervisor.add(names)
        except EmbeddedError as error:
            tell(report, str(error))
            raise
        tell(report, "ok")
        while supervisor.step():
            pass
    except EmbeddedError:
        LOG.exception("giving up")
        return 1
    finally:
        supervisor.stop()
    return 0


def main(argv: list[str]) -> int:
    """Leave the terminal and the parent behind, then serve. `argv`: root, services (comma-separated), report pipe."""
    root, names, report = Path(argv[1]), argv[2].split(","), int(argv[3])
    if os.fork():
        os._exit(0)
    os.setsid()
    checkout = Checkout(root)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    alive = checkout.open_lock("alive")
    if not take(alive, fcntl.LOCK_EX, wait=0):
        tell(report, "busy")
        return 1
    LOG.info("supervisor %d starts %s for %s", os.getpid(), ", ".join(names), root)
    return serve(checkout, names, report)


if __name__ == "__main__":
    # librdkafka's and fakeredis' threads have nothing to save: do not wait for them.
    code = main(sys.argv)
    logging.shutdown()
    os._exit(code)
