"""Entering and leaving the circle of commands that use a checkout's embedded services."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from telara.embedded.checkout import Checkout, EmbeddedError, State, take, write_private

PATIENCE = 90.0  # seconds for a start or a stop, by us or by another command, on a slow machine


@dataclass
class Membership:
    """That this process uses the services: its open `users` lock, and the supervisor it joined."""

    lock: int | None = None
    supervisor: int | None = None


_mine = Membership()  # the kernel frees the lock when this process ends


def enter(checkout: Checkout, services: Sequence[str]) -> dict[str, str]:
    """Join the running services, or start them; return what they put into the environment. Raises EmbeddedError."""
    checkout.make_folders()
    users = _mine.lock if _mine.lock is not None else checkout.open_lock("users")
    deadline = time.monotonic() + PATIENCE
    with checkout.locked("start", wait=PATIENCE) as mine:
        if not mine:
            raise EmbeddedError(
                f"Another command has been starting the services for {PATIENCE:.0f} s. {_hint(checkout)}"
            )
        state = _running(checkout, services, deadline)
        if not take(users, fcntl.LOCK_SH, wait=PATIENCE):
            raise EmbeddedError(f"The lock in {checkout.var} cannot be had.")
        _mine.lock, _mine.supervisor = users, state.pid
    return {name: value for service in services for name, value in state.environ[service].items()}


def leave(checkout: Checkout) -> bool:
    """Give up our membership; if it was the last, stop the services and wait until they are gone. True if they are."""
    if _mine.lock is not None:
        os.close(_mine.lock)
    _mine.lock = _mine.supervisor = None
    with checkout.locked("start", wait=PATIENCE) as mine:
        if not mine or checkout.is_held("users"):
            return False
        state = checkout.read_state()
        deadline = time.monotonic() + PATIENCE
        if state is not None and checkout.is_held("alive"):
            os.kill(state.pid, signal.SIGTERM)
        while checkout.is_held("alive") and time.monotonic() < deadline:
            time.sleep(0.02)
        return not checkout.is_held("alive")


def have_ended(checkout: Checkout) -> bool:
    """Whether this process joined services that are no longer there, or are others by now."""
    if _mine.supervisor is None:
        return False
    state = checkout.read_state()
    return state is None or state.pid != _mine.supervisor or not checkout.is_held("alive")


def _running(checkout: Checkout, services: Sequence[str], deadline: float) -> State:
    """The state of a supervisor that lives and has all the services. Call it with the `start` lock held."""
    asked = False
    while time.monotonic() < deadline:
        if not checkout.is_held("alive"):
            _start(checkout, services, deadline)
            asked = True
        state = checkout.read_state()
        if state is not None and checkout.is_held("alive"):
            if all(service in state.environ for service in services):
                return state
            if not asked:
                write_private(checkout.wanted_file, ",".join(services))
                os.kill(state.pid, signal.SIGUSR1)
                asked = True
            elif state.failed and not checkout.wanted_file.exists():
                raise EmbeddedError(next(iter(state.failed.values())))
        time.sleep(0.03)
    raise EmbeddedError(f"The embedded services are not up after {PATIENCE:.0f} s. {_hint(checkout)}")


def _start(checkout: Checkout, services: Sequence[str], deadline: float) -> None:
    """Start a supervisor and wait until it is ready. It is nobody's child, and knows nothing of our environment."""
    report, write = os.pipe()
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    program = [sys.executable, "-m", "telara.embedded.supervisor", str(checkout.root), ",".join(services), str(write)]
    with checkout.log_file("embedded").open("ab") as log:
        subprocess.run(
            program,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=checkout.root,
            env=environ,
            pass_fds=[write],
            check=True,
        )
    os.close(write)
    os.set_blocking(report, False)
    with open(report, "rb", buffering=0) as pipe:  # noqa: PTH123 - a handle
        answer = None
        while answer is None and time.monotonic() < deadline:
            answer = pipe.read()
            time.sleep(0.01)
    if answer not in (b"ok", b"busy"):
        raise EmbeddedError((answer or b"The embedded services ended while starting.").decode() + f" {_hint(checkout)}")


def _hint(checkout: Checkout) -> str:
    return f"See {checkout.log_file('embedded')}."
