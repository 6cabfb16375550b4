"""`manage.py demo`: all of Telara in one terminal, until Ctrl-C."""

import secrets
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import StringIO
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.db.models import Max
from django.utils import timezone

from devices.models import Baseline, Reading, User
from devices.simulator.people import wearer_ids
from telara import embedded, tables
from telara.embedded.checkout import Checkout, write_private
from telara.incidents import incidents_schedule
from telara.processes import Keeper, house, people, usual

HOST = "127.0.0.1"
PATIENCE = 90.0  # seconds until the pages answer, on a slow machine
PERMISSIONS = (
    "view_all_wearers", "add_readings", "run_simulator", "change_rule", "view_payload", "send_again", "manage_people",
    "view_audit",
)  # fmt: skip
APPS = ("devices", "alerts", "ingestion")


class Command(BaseCommand):
    help = "Starts all of Telara on the embedded services, with simulated people and an analyst to sign in as."
    requires_system_checks = []

    def handle(self, **_options: Any) -> None:
        """Run until Ctrl-C, SIGTERM, or until something that must not end has ended (then CommandError)."""
        checkout = Checkout()
        checkout.make_folders()
        ensure_port_is_free(settings.PORT)
        interruptions: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: interruptions.append(received))
        keeper = Keeper(root=checkout.root, logs=checkout.var / "log", say=self._say)
        try:
            self._run(keeper, checkout, is_interrupted=lambda: bool(interruptions))
        finally:
            self._say("stopping")
            already = len(interruptions)
            patience = 2 if embedded.have_ended() else 10  # without services nothing is left to finish
            keeper.stop(patience=patience, is_hurried=lambda: len(interruptions) > already)
            self._leave()

    def _run(self, keeper: Keeper, checkout: Checkout, *, is_interrupted: Callable[[], bool]) -> None:
        self._say("preparing the database")
        tables.bring_up()
        call_command("create_topics", stdout=StringIO())
        call_command("load_rules", "--keep-disabled", stdout=StringIO())
        password = make_analyst(checkout)
        processes = house(port=settings.PORT)
        now = timezone.now()
        stages = [*people(now=now, known_until=known_until()), *usual(now=now, is_known=is_usual_known())]
        incidents_schedule(by=User.objects.get(username="demo"), now=timezone.now())
        connections.close_all()
        self._say(f"starting {', '.join(process.name for process in processes)} (logs are in {keeper.logs})")
        keeper.start(processes)
        address = f"http://127.0.0.1:{settings.PORT}/"
        if not self._wait_for_pages(keeper, address, is_interrupted):
            return
        self._write(f"Telara is ready at {address}  user: demo  password: {password}")
        self._say(f"passkeys need a name: http://localhost:{settings.PORT}/")
        self._say("stop it with Ctrl-C")
        while not is_interrupted():
            keeper.check()
            if stages and keeper.is_settled:
                keeper.start(stages.pop(0))
            if embedded.have_ended():
                raise CommandError(f"The embedded services have ended; see {checkout.log_file('embedded')}.")
            time.sleep(0.2)

    def _wait_for_pages(self, keeper: Keeper, address: str, is_interrupted: Callable[[], bool]) -> bool:
        """True once a page answers; False if interrupted first. What dies this early will not mend by itself."""
        deadline = time.monotonic() + PATIENCE
        while not is_interrupted():
            if died := keeper.check():
                raise CommandError(f"{died[0].process.name} ended before Telara was up.")
            if answers(f"{address}login/"):
                return True
            if time.monotonic() > deadline:
                raise CommandError(f"{address} does not answer after {PATIENCE:.0f} s; see {keeper.logs}.")
            time.sleep(0.1)
        return False

    def _leave(self) -> None:
        if embedded.leave():
            self._say("stopped")
        else:
            self._say("stopped; another command uses the embedded services, which end with it")

    def _say(self, text: str) -> None:
        self._write(f"telara: {text}")

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a terminal that was closed must not keep us from stopping in order
            self.stdout.write(line)
            self.stdout.flush()


def known_until() -> datetime | None:
    """The time of the newest reading of the demo's people, if there is any."""
    newest: datetime | None = Reading.objects.filter(user__username__in=wearer_ids(12)).aggregate(
        newest=Max("recorded_at")
    )["newest"]
    return newest


def is_usual_known() -> bool:
    """Whether what is usual is known of any of the demo's people."""
    return Baseline.objects.filter(user__username__in=wearer_ids(12), median__isnull=False).exists()


def ensure_port_is_free(port: int) -> None:
    """Raise CommandError, with the remedy, unless the pages can be served there."""
    if not 0 < port < 65536:
        raise CommandError(f"PORT={port}: it is a number from 1 to 65535.")
    error = _bind(port)
    if error is not None:
        other = next((near for near in range(max(port + 1, 1024), 65536) if _bind(near) is None), 8000)
        why = "is not allowed" if isinstance(error, PermissionError) else "is taken"
        raise CommandError(f"Port {port} {why}. Choose another one: PORT={other} make demo")


def _bind(port: int) -> OSError | None:
    """What binding the port says; None if it is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            return error
    return None


def answers(address: str) -> bool:
    """Whether the page at the address comes without a server error."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def make_analyst(checkout: Checkout) -> str:
    """Make the user `demo`, who may see everyone and use the simulator; return the password.

    It is TELARA_DEMO_PASSWORD, else one that is made up at the first start and kept, as the session of a browser is.
    """
    path = checkout.var / "demo_password"
    password: str = settings.TELARA_DEMO_PASSWORD
    if not password:
        if not path.exists():
            write_private(path, secrets.token_urlsafe(9))
        password = path.read_text()
    analyst, _ = User.objects.get_or_create(username="demo", defaults={"display_name": "Demo analyst"})
    if not analyst.check_password(password):
        analyst.set_password(password)
        analyst.save(update_fields=["password"])
    analyst.user_permissions.add(*Permission.objects.filter(content_type__app_label__in=APPS, codename__in=PERMISSIONS))
    return password
