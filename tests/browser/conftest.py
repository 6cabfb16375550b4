"""A whole Telara of the tests' own, with real processes, and a real Chromium to look at it."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from telara.embedded.redis import free_port
from tests.telara.checkouts import Copy, await_that, copied

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "of the browser test"
PATIENCE_MS = 60_000  # how long it takes says something of the machine, and nothing of Telara
expect.set_options(timeout=PATIENCE_MS)
SERVE = """
import sys
from telara import embedded
embedded.join(["manage.py", "runserver"])
import uvicorn
uvicorn.run("telara.asgi:application", port=int(sys.argv[1]), lifespan="off", log_level="error",
            ws_per_message_deflate=False, timeout_graceful_shutdown=1)
"""
SHELL = """
import contextlib, io, json, sys, traceback
from django.db import connections
for line in sys.stdin:
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(json.loads(line), {})
        except Exception:
            error = traceback.format_exc()
    connections.close_all()
    print("did", json.dumps([printed.getvalue(), error]), flush=True)
"""
RIGHTS = ["view_all_wearers", "run_simulator", "change_rule", "view_payload", "send_again"]
BEGIN = f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("load_rules")
from django.contrib.auth.models import Permission
from datetime import timedelta
from django.utils import timezone
from devices.models import BackgroundTick, User
BackgroundTick.objects.create(at=timezone.now() + timedelta(days=1))  # none runs here, and none is to be missed
user = User.objects.create_user("analyst", password={PASSWORD!r})
user.user_permissions.set(Permission.objects.filter(codename__in={RIGHTS}))
User.objects.create_superuser("boss", password={PASSWORD!r})
User.objects.create_user("careful", password={PASSWORD!r})
"""

# What it reads again of the page comes once `letGo()` is called.
HELD = """() => {
    const read = window.fetch;
    const free = new Promise((done) => (window.letGo = done));
    window.fetch = async (...asked) => {
        const answer = await read(...asked);
        if (!asked[1].headers?.["HX-Request"]) return answer;
        document.body.dataset.copy = "held";
        await free;
        return answer;
    };
}"""


@dataclass
class Site:
    """A running Telara: a web process, a consumer, and wearers as they are asked for."""

    copy: Copy
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    sessions: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_web(self) -> None:
        self._start("web", "-c", SERVE, str(self.port))
        await_that(self._answers, within=120)

    def start_consumer(self) -> None:
        self._start("consumer", "manage.py", "run_consumer")

    def start_wearers(self, *options: str) -> None:
        self._start(f"simulator {' '.join(options)}", "manage.py", "run_simulator", *options)

    def does(self, code: str) -> str:
        """Run `code` in a shell of its own, which stays for the next; what it prints."""
        if "shell" not in self.processes:
            self._start("shell", "manage.py", "shell", "--no-imports", "-c", SHELL)
        shell = self.processes["shell"]
        assert shell.stdin
        assert shell.stdout
        print(json.dumps(code), file=shell.stdin, flush=True)
        said = ""
        for line in shell.stdout:
            if line.startswith("did "):
                printed, error = json.loads(line.removeprefix("did "))
                assert not error, error
                return str(printed)
            said += line
        raise AssertionError(said)

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.communicate(timeout=30)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate(timeout=10)

    def _start(self, name: str, *arguments: str) -> None:
        self.processes[name] = self.copy.start(*arguments, LOG_LEVEL="ERROR")

    def _answers(self) -> bool:
        with socket.socket() as visitor:
            return visitor.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Gone with the module: until then Playwright's event loop keeps Django from the database in this process."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(chromium: Browser) -> Iterator[Site]:
    with copied() as copy:
        copy.run("manage.py", "shell", "--no-imports", "-c", BEGIN)
        site = Site(copy)
        try:
            site.start_consumer()
            site.start_web()
            yield site
        finally:
            site.close()


@dataclass
class Seen:
    """A page, and what its console complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def until_live(page: Page) -> None:
    """Until it is connected: by then its buttons and keys are heard."""
    page.wait_for_selector(':root[data-connection="live"]', state="attached", timeout=PATIENCE_MS)


def until_lost(page: Page) -> None:
    page.wait_for_selector(':root[data-connection="lost"]', state="attached", timeout=PATIENCE_MS)


def sign_in(page: Page, site: Site, who: str) -> None:
    """By the form, as anybody does, and later in the session that gave; where that leads is theirs."""
    page.context.set_default_timeout(PATIENCE_MS)
    page.context.add_cookies(site.sessions.get(who, []))
    page.goto(f"{site.address}/")
    if "/login/" in page.url:
        page.fill("#id_username", who)
        page.fill("#id_password", PASSWORD)
        page.click("form button.primary")
    page.wait_for_selector("main h1", state="attached")
    page.wait_for_selector(".top", state="attached")
    site.sessions[who] = list(page.context.cookies())


@pytest.fixture
def seen(chromium: Browser, site: Site) -> Iterator[Seen]:
    """The overview as the analyst has it after signing in, at 1440x900."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    found = Seen(context.new_page())
    found.listen()
    sign_in(found.page, site, "analyst")
    yield found
    context.close()
