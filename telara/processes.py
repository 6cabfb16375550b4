"""What Telara consists of while it runs, and the keeper that runs it all in one terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from telara.embedded import tether

BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds before the first, second, ... restart
STEADY = 60.0  # seconds of life after which the count starts anew
LAST_LINES = 12
PER_MINUTE = ("--rate", repr(1 / 60))
PER_FIVE_SECONDS = ("--rate", "0.2")
USUAL_PAST = timedelta(days=27)
ANOMALY = "tachycardia_at_rest"
FOR_EVER = "1e9"  # seconds


@dataclass(frozen=True)
class Process:
    """One process: its name, what comes after `python` on its command line, and whether its end is its purpose."""

    name: str
    arguments: tuple[str, ...]
    once: bool = False


Stage = tuple[Process, ...]
UVICORN = (
    "-m uvicorn telara.asgi:application --lifespan off --no-access-log"
    " --ws dashboard.live.protocol:Protocol --ws-per-message-deflate false"
)


def house(*, port: int) -> Stage:
    """The processes that Telara is, in the order of starting; they stop in the opposite one."""
    celery = "-m celery --app telara --quiet"
    return (
        Process("web", (*UVICORN.split(), "--host=127.0.0.1", f"--port={port}", "--timeout-graceful-shutdown=3")),
        Process("consumer", ("manage.py", "run_consumer")),
        Process("worker", (*celery.split(), "worker", "--concurrency=2", "--loglevel=INFO", "--without-mingle")),
        Process("beat", (*celery.split(), "beat", "--schedule=var/celerybeat", "--loglevel=WARNING")),
    )


def people(*, now: datetime, known_until: datetime | None) -> tuple[Stage, ...]:
    """The demo's people: their day up to `now`, as far as it is not `known_until` some time, then themselves, live.

    A reading a minute, in the last hour one every five seconds. One of them has a racing heart first.
    """
    day = max(now - timedelta(days=1), known_until or now - timedelta(days=1))
    hour = max(now - timedelta(hours=1), day)
    past = (
        ("past day", day, hour, PER_MINUTE),
        ("past hour", hour, now, PER_FIVE_SECONDS),
    )
    stages = [
        (Process(name, _simulator("--start", start.isoformat(), "--duration", _seconds(start, end), *rate), once=True),)
        for name, start, end, rate in past
        if end - start >= timedelta(minutes=1)
    ]
    # An anomaly begins with its run. One that is sent beside the run would mix with what the same person sends there.
    live = _simulator("--user", "user_003", "--anomaly", ANOMALY, "--duration", FOR_EVER)
    return (*stages, (Process("simulator", live),))


def usual(*, now: datetime, is_known: bool) -> tuple[Stage, ...]:
    """What makes the demo's people known: the 27 days before their first one, at a reading a minute, then baselines.

    It comes after they live: a late past is quiet. Where it was sent halfway it is sent again, the same readings.
    """
    first = now - timedelta(days=1)
    start = first - USUAL_PAST
    past = _simulator("--start", start.isoformat(), "--duration", _seconds(start, first), *PER_MINUTE)
    baselines = (Process("baselines", ("manage.py", "make_baselines"), once=True),)
    return (baselines,) if is_known else ((Process("past month", past, once=True),), baselines)


def _simulator(*options: str) -> tuple[str, ...]:
    return ("manage.py", "run_simulator", "--wearers", "12", *options)


def _seconds(start: datetime, end: datetime) -> str:
    return f"{(end - start).total_seconds():.0f}"


@dataclass
class Child:
    """A process as it runs, or will again at `restart_at` (seconds of the monotonic clock)."""

    process: Process
    log: Path
    popen: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    deaths: int = 0

    @property
    def is_done(self) -> bool:
        """Whether it has done what it was to do once."""
        return self.process.once and self.popen is None and self.restart_at is None

    def last_lines(self) -> str:
        """The end of what it wrote, indented."""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join(f"    {line}" for line in lines)


@dataclass
class Keeper:
    """Runs processes as children that end when it does, a kill included; their output goes to files under `logs`."""

    root: Path
    logs: Path
    say: Callable[[str], None]
    children: list[Child] = field(default_factory=list)

    def start(self, processes: Iterable[Process]) -> None:
        for process in processes:
            child = Child(process, self.logs / f"{process.name}.log")
            child.log.write_bytes(b"")
            self.children.append(child)
            self._spawn(child)

    def check(self) -> list[Child]:
        """Those that died since the last call; each is started again by a later call, when its time has come."""
        now = time.monotonic()
        died = []
        for child in self.children:
            if child.restart_at is not None and now >= child.restart_at:
                self.say(f"{child.process.name} starts again")
                self._spawn(child)
            elif child.popen is not None and child.popen.poll() is not None:
                if child.process.once and child.popen.returncode == 0:
                    child.popen = None
                else:
                    died.append(child)
                    self._schedule(child, now)
        return died

    @property
    def is_settled(self) -> bool:
        """Whether everything that was to run once has."""
        return all(child.is_done for child in self.children if child.process.once)

    def stop(self, *, patience: float, is_hurried: Callable[[], bool]) -> None:
        """Ask each to end, last started first, all within `patience` seconds; then, or when hurried, kill."""
        running = [(child, child.popen) for child in reversed(self.children) if child.popen is not None]
        deadline = time.monotonic() + patience
        for _, popen in running:
            popen.send_signal(signal.SIGTERM)
        for child, popen in running:
            while popen.poll() is None and time.monotonic() < deadline and not is_hurried():
                time.sleep(0.02)
            if popen.poll() is None:
                self.say(f"{child.process.name} does not end and is killed")
            _kill_group(popen)
        self.children.clear()

    def _spawn(self, child: Child) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through `stop`, in order."""
        with child.log.open("ab") as log:
            child.popen = subprocess.Popen(
                tether.command([sys.executable, *child.process.arguments]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.root,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        child.started_at = time.monotonic()
        child.restart_at = None

    def _schedule(self, child: Child, now: float) -> None:
        """Say how it ended and when it is started again; its own children go with it."""
        assert child.popen is not None  # noqa: S101 - for the type checker
        code = child.popen.returncode
        _kill_group(child.popen)
        child.popen = None
        child.deaths = 0 if now - child.started_at > STEADY else child.deaths
        delay = BACKOFF[min(child.deaths, len(BACKOFF) - 1)]
        child.deaths += 1
        child.restart_at = now + delay
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self.say(f"{child.process.name} ended ({how}); its last lines, from {child.log}:\n{child.last_lines()}")


def _kill_group(popen: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and of those it started."""
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
