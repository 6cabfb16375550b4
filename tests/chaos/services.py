"""PostgreSQL, Redis and Kafka of the matrix's own (`make chaos`), stopped, killed and filled up one by one."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest
from django.db import connection

from tests.ingestion.running import ROOT

Service = Literal["postgres", "redis", "kafka"]
Verb = Literal["start", "stop", "kill", "pid"]


def do(verb: Verb, service: Service) -> str:
    """`.ci/services VERB SERVICE`, and what it says; a session of ours with PostgreSQL does not outlive it."""
    if service == "postgres":
        connection.close()
    folder = {"TELARA_SERVICES_DIR": os.environ["TELARA_CHAOS_SERVICES"]}
    command = [str(ROOT / ".ci/services"), verb, service]
    done = subprocess.run(command, env=os.environ | folder, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.strip()


@contextmanager
def away(service: Service, *, by: Literal["stop", "kill"]) -> Iterator[None]:
    """Without the service, for the block."""
    do(by, service)
    try:
        yield
    finally:
        do("start", service)


@contextmanager
def hanging(service: Service) -> Iterator[None]:
    """The service keeps its connections and answers nothing, for the block: all of its processes stand still."""
    stopped = [int(do("pid", service))]
    os.kill(stopped[0], signal.SIGSTOP)  # first: then it makes no more
    stopped += children_of(stopped[0])
    try:
        for pid in stopped[1:]:
            signalled(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(stopped):
            signalled(pid, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def signalled(pid: int, sent: signal.Signals) -> None:
    """A process that may be gone by now."""
    with suppress(ProcessLookupError):
        os.kill(pid, sent)


@contextmanager
def small_disk(*, mib: int) -> Iterator[Path]:
    """The readings of now on a file system of that size; a file there takes room from them."""
    folder = Path("/tmp") / f"telara-chaos-disk-{uuid4().hex[:8]}"  # noqa: S108  # where the server's user may go
    folder.mkdir(mode=0o711)
    if not has_run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "chaos", str(folder)):
        folder.rmdir()
        pytest.skip("a disk that is full: needs the right to mount a tmpfs")
    try:
        with moved_to(folder):
            yield folder
    finally:
        assert has_run("umount", str(folder))
        folder.rmdir()


@contextmanager
def moved_to(folder: Path) -> Iterator[None]:
    space = folder / "space"
    space.mkdir()
    assert has_run("chown", "postgres", str(space))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLESPACE chaos LOCATION %s", [str(space)])
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'devices_reading'::regclass")
        tables = [name for (name,) in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} SET TABLESPACE chaos")
        try:
            yield
        finally:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} SET TABLESPACE pg_default")
            cursor.execute("DROP TABLESPACE chaos")


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left in the file system, for the block."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
                file.flush()
        except OSError:
            pass  # full, as it should be
    yield
    filler.unlink()


def has_run(*command: str) -> bool:
    """Whether a program of the system did what it was asked to."""
    return subprocess.run(command, check=False).returncode == 0


def wait(seconds: float) -> None:
    """Let a fault last."""
    time.sleep(seconds)
