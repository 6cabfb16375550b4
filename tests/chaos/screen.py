"""A page without a browser: what static/js/live.js and revision.js do, and whether it shows what the database holds."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from alerts.models import Alert
from devices.models import User
from telara.embedded.redis import free_port
from tests.chaos.stage import Stage
from tests.dashboard.sockets import cookie_of
from tests.ingestion.running import ROOT, environment_of, until

SILENCE_S = 10.0
PATIENCE_S = 1.8


@dataclass
class Screen:
    """The alerts that an open page knows, by their revision."""

    port: int
    session: str
    known: dict[str, int] = field(default_factory=dict)
    snapshots: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def shows(self, stage: Stage) -> bool:
        """Whether it shows each alert of the stage as the database has it."""
        alerts = Alert.objects.filter(user__username__startswith=stage.tag).values_list("alert_id", "revision")
        held = {str(alert_id): revision for alert_id, revision in alerts}
        return bool(held) and {key: self.known.get(key) for key in held} == held

    def run(self) -> None:
        """Connect, and connect again, until it is closed."""
        while not self.closing.is_set():
            with suppress(OSError, WebSocketException, httpx.HTTPError, TimeoutError):
                self._follow()
            self.closing.wait(0.5)

    def _follow(self) -> None:
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.session}"}
        url = f"ws://127.0.0.1:{self.port}/ws/vitals"
        with connect(url, additional_headers=headers, origin=f"http://127.0.0.1:{self.port}") as socket:  # type: ignore[arg-type]
            self._read_snapshot(headers)
            differs_since = 0.0
            while not self.closing.is_set():
                frame = json.loads(socket.recv(SILENCE_S))
                if frame["type"] == "alert":
                    self._take(frame["data"])
                if frame["type"] == "status" and (theirs := frame["data"]["alerts_revision"]) is not None:
                    is_same = theirs == sum(self.known.values())
                    differs_since = 0.0 if is_same else differs_since or time.monotonic()
                if differs_since and time.monotonic() - differs_since > PATIENCE_S:
                    self._read_snapshot(headers)
                    differs_since = 0.0

    def _take(self, alert: dict[str, Any]) -> None:
        self.known[alert["alert_id"]] = max(alert["revision"], self.known.get(alert["alert_id"], 0))

    def _read_snapshot(self, headers: dict[str, str]) -> None:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/alerts/known/", headers=headers, timeout=10)
        answer.raise_for_status()
        self.known = dict(answer.json()["revision"]["known"])
        self.snapshots += 1


@contextmanager
def screen(folder: Path, viewer: User, **lines: str) -> Iterator[Screen]:
    """A page that `viewer` has open on a web process of its own, behind these lines."""
    port = free_port()
    uvicorn = "-m uvicorn telara.asgi:application --lifespan off --no-access-log --ws-per-message-deflate false"
    command = [sys.executable, *uvicorn.split(), "--host=127.0.0.1", f"--port={port}"]
    with (folder / "web.log").open("wb") as log:
        web = subprocess.Popen(command, cwd=ROOT, env=environment_of(**lines), stdout=log, stderr=log)
    shown = Screen(port, cookie_of(viewer))
    follower = threading.Thread(target=shown.run)
    follower.start()
    try:
        until(lambda: shown.snapshots, within_s=30)
        yield shown
    finally:
        shown.closing.set()
        web.kill()
        web.wait()
        follower.join(15)
