"""Processes that die at a named point, for the price of a fork.

The nursery is Telara, started once as in production, that has opened nothing yet. Each line it reads is a call; it
forks, and the child makes the call as the process that it is.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.ingestion.running import ROOT, database_url, until


@dataclass(frozen=True)
class Nursery:
    """Telara processes on the test's database."""

    process: subprocess.Popen[str]

    def start(self, call: str, *arguments: Any, **settings: Any) -> int:
        """Call `module.function` in a process of its own, under these settings; its pid."""
        return self._ask({"call": call, "arguments": arguments, "settings": settings})

    def end(self, pid: int) -> int:
        """How that process ended: 0, or minus the signal that killed it."""
        return self._ask({"end": pid})

    def run(self, call: str, *arguments: Any, **settings: Any) -> int:
        """`start` and `end`."""
        return self.end(self.start(call, *arguments, **settings))

    @contextmanager
    def web(self, *, dies: bool = False, **settings: Any) -> Iterator["Web"]:
        """A web process, which is told to stop when the block is left; `dies`: it was killed by then."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        made = Web(port, self.start("tests.telara.dying.serve_web", port, **settings))
        until(made.is_open, within_s=20)
        try:
            yield made
        finally:
            with suppress(ProcessLookupError):
                os.kill(made.pid, signal.SIGTERM)
            assert self.end(made.pid) in ((-signal.SIGKILL,) if dies else (0, -signal.SIGTERM))

    def _ask(self, question: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@dataclass(frozen=True)
class Web:
    """A web process on a port of this machine."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_open(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


@contextmanager
def nursery(folder: Path, **environment: str) -> Iterator[Nursery]:
    """Ended when the block is left."""
    inherited = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "telara.settings"}
    inherited.pop("DEBUG", None)
    with (folder / "nursery.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, env=inherited | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        yield Nursery(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def _serve() -> None:
    import django

    django.setup()
    for line in sys.stdin:
        question = json.loads(line)
        if "end" in question:
            code = os.waitstatus_to_exitcode(os.waitpid(question["end"], 0)[1])
            sys.stdout.write(f"{code}\n")
        else:
            sys.stdout.write(f"{_fork(question)}\n")
        sys.stdout.flush()


def _fork(question: dict[str, Any]) -> int:
    module, _, function = question["call"].rpartition(".")
    work = getattr(import_module(module), function)
    pid = os.fork()
    if pid:
        return pid
    from django.conf import settings

    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    for name, value in question["settings"].items():
        setattr(settings, name, value)
    work(*question["arguments"])
    os._exit(0)


def serve_web(port: int) -> None:
    """A web process."""
    import uvicorn

    uvicorn.run("telara.asgi:application", host="127.0.0.1", port=port, lifespan="off", log_level="warning")


if __name__ == "__main__":
    _serve()
