"""The files under `var/` by which the processes of one checkout find each other, and the locks on them.

Three locks, each freed by the kernel when its holder dies: `start` is held by whoever starts or stops the supervisor,
`users` is shared by every command that uses the services, `alive` belongs to the supervisor as long as it lives.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class EmbeddedError(Exception):
    """The embedded services cannot be had; the text says why, and what helps."""


@dataclass(frozen=True)
class State:
    """What `var/embedded.json` says: the supervisor, what each service puts into the environment, folders elsewhere
    that go with them, and why a service that was wished for later could not be had."""

    pid: int
    environ: dict[str, dict[str, str]]
    folders: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkout:
    """Where one checkout keeps what its embedded services need."""

    root: Path = ROOT

    @property
    def var(self) -> Path:
        return self.root / "var"

    @property
    def state_file(self) -> Path:
        return self.var / "embedded.json"

    @property
    def wanted_file(self) -> Path:
        return self.var / "embedded.wanted"

    def log_file(self, name: str) -> Path:
        return self.var / "log" / f"{name}.log"

    def make_folders(self) -> None:
        """Make `var/`: open to search, so that PostgreSQL's own user reaches its part; the rest in it is ours alone."""
        try:
            self.var.mkdir(mode=0o755, exist_ok=True)
            if self.var.stat().st_uid == os.geteuid():
                self.var.chmod(0o755)
            self.log_file("x").parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(f"{self.var} cannot be used: {error.strerror}.") from error

    def read_state(self) -> State | None:
        """The state as written last, or None where there is none; whether it still holds, the `alive` lock says."""
        try:
            return State(**json.loads(self.state_file.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_state(self, state: State) -> None:
        write_private(self.state_file, json.dumps(vars(state), indent=2) + "\n")

    def open_lock(self, name: str) -> int:
        path = self.var / f"embedded.{name}.lock"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise EmbeddedError(f"{path} belongs to another user: run as that user, or remove {self.var}.") from error

    @contextmanager
    def locked(self, name: str, *, wait: float) -> Iterator[bool]:
        """Hold the lock alone for the block, after at most `wait` seconds; the block is told whether it has it."""
        handle = self.open_lock(name)
        try:
            yield take(handle, fcntl.LOCK_EX, wait=wait)
        finally:
            os.close(handle)

    def is_held(self, name: str) -> bool:
        """Whether some process holds the lock, alone or with others."""
        with self.locked(name, wait=0) as mine:
            return not mine

    def secret_key(self) -> str:
        """The checkout's own random SECRET_KEY, made at the first call."""
        path = self.var / "secret_key"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(48))
        return path.read_text()


def take(handle: int, kind: int, *, wait: float) -> bool:
    """Lock the open file, trying for `wait` seconds; True if it worked."""
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def write_private(path: Path, text: str) -> None:
    """Replace the file at once, readable by its owner only."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - a handle
        file.write(text)
    new.replace(path)
