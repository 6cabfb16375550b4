"""Checkouts of their own for tests that start and kill real services: copies of this one, in temporary folders."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from telara.embedded import postgres
from telara.embedded.checkout import ROOT, Checkout
from tests.patience import BUSY

# What was compiled comes along, but for what a process is just writing, and for what only pytest reads.
LEFT_OUT = shutil.ignore_patterns(".*", "var", "node_modules", "staticfiles", "*.pyc.*", "*-pytest-*.pyc")
JOIN = """
import os, sys, time
from telara import embedded
embedded.join(["manage.py", "migrate"])
print(os.environ["DATABASE_URL"], os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["REDIS_URL"],
      os.environ["TELARA_EMBEDDED"], os.environ.get("TELARA_CLUSTER_ID", "-"), flush=True)
"""
UNTIL_TOLD = "sys.stdin.readline()\n"
LEAVE = "print(embedded.leave(), flush=True)\n"


@dataclass(frozen=True)
class Joined:
    """What a command found in its environment."""

    database: str
    kafka: str
    redis: str
    embedded: str
    cluster: str


@dataclass(frozen=True)
class Copy:
    """One copy of the checkout, and what a person does in it."""

    root: Path
    members: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def files(self) -> Checkout:
        return Checkout(self.root)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start Python there with nothing in the environment but what is given."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.root), "TMPDIR": tempfile.gettempdir()}
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.root,
            env=clean | environ,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> str:
        """Run Python there, to a good end, and return what it printed."""
        process = self.start(*arguments, **environ)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def join(self, **environ: str) -> Joined:
        """Start a command that joins, and stays until `release`; what it finds in its environment."""
        member = self.start("-c", JOIN + UNTIL_TOLD, **environ)
        self.members.append(member)
        assert member.stdout is not None
        printed = ""
        for line in member.stdout:
            if line.startswith("postgresql:"):
                return Joined(*line.split())
            printed += line
        raise AssertionError(printed)

    def release(self) -> None:
        """End all that joined."""
        while self.members:
            self.members.pop().communicate("done\n")

    def supervisor(self) -> psutil.Process:
        state = self.files.read_state()
        assert state is not None
        return psutil.Process(state.pid)

    def family(self) -> list[psutil.Process]:
        """The supervisor and all that it started."""
        supervisor = self.supervisor()
        return [supervisor, *supervisor.children(recursive=True)]


@contextmanager
def copied(*, name: str = "checkout", mode: int = 0o755) -> Iterator[Copy]:
    """A copy in a folder that others may or may not (`mode`) enter; stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="telara-test-"))
    folder.chmod(mode)
    copy = Copy(folder / name)
    shutil.copytree(ROOT, copy.root, ignore=LEFT_OUT)
    try:
        yield copy
    finally:
        state = copy.files.read_state()
        family = copy.family() if state and psutil.pid_exists(state.pid) else []
        for supervisor in family[:1]:
            supervisor.kill()
        await_death(family)
        copy.release()
        shutil.rmtree(folder)
        shutil.rmtree(postgres.outside_of(copy.files), ignore_errors=True)


def is_dead(process: psutil.Process) -> bool:
    """Gone, or waiting only for its parent to take notice."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_death(processes: list[psutil.Process], *, within: float = 10) -> None:
    await_that(lambda: all(is_dead(process) for process in processes), within=within)


def await_that(condition: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + BUSY * within
    while not condition():
        assert time.monotonic() < deadline, f"not so within {BUSY} times {within} s"
        time.sleep(0.05)
