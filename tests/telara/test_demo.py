"""The demo as a person has it: one command, a line to sign in with, Ctrl-C; or something that goes wrong."""

import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from django.core.management.base import CommandError

from telara.embedded.redis import free_port
from telara.management.commands.demo import ensure_port_is_free
from tests.telara.checkouts import Copy, await_death, await_that, copied

READY = "Telara is ready at http://127.0.0.1:{port}/  user: demo  password: "
pytestmark = [pytest.mark.kafka, pytest.mark.own_services]


@pytest.fixture
def checkout() -> Iterator[Copy]:
    with copied() as copy:
        yield copy


def everything(checkout: Copy, demo: subprocess.Popen[str]) -> list[psutil.Process]:
    return [*psutil.Process(demo.pid).children(recursive=True), *checkout.family()]


def read_until(demo: subprocess.Popen[str], text: str) -> str:
    """What it printed up to the line that begins with the text."""
    assert demo.stdout is not None
    printed = ""
    for line in demo.stdout:
        printed += line
        if line.startswith(text):
            return printed
    raise AssertionError(printed)


def test_a_taken_port_is_named_with_its_remedy(checkout: Copy) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = checkout.start("manage.py", "demo", PORT=str(port))
        output, _ = demo.communicate()
    assert demo.returncode == 1
    assert f"Port {port} is taken. Choose another one: PORT=" in output


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="PORT=70000: it is a number from 1 to 65535"):
        ensure_port_is_free(70000)


@pytest.mark.slow
def test_it_serves_until_ctrl_c_and_leaves_no_process(checkout: Copy) -> None:
    port = free_port()
    demo = checkout.start("manage.py", "demo", PORT=str(port), TELARA_DEMO_PASSWORD="of the test")
    assert "password: of the test\n" in read_until(demo, READY.format(port=port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=10) as page:
        assert page.status == 200
    log = checkout.files.log_file("simulator")
    await_that(log.exists, within=30)
    count = (
        "from devices.models import Reading; print(Reading.objects.filter(user__username='user_012').count() > 1400)"
    )
    assert "True" in checkout.run("manage.py", "shell", "--no-imports", "-c", count)
    family = everything(checkout, demo)
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=20)
    await_death(family, within=5)
    assert (demo.returncode, "telara: stopped\n" in output) == (0, True)
    assert "does not end" not in output


@pytest.mark.slow
def test_a_kill_of_the_demo_takes_all_with_it(checkout: Copy) -> None:
    port = free_port()
    demo = checkout.start("manage.py", "demo", PORT=str(port))
    read_until(demo, READY.format(port=port))
    children = psutil.Process(demo.pid).children(recursive=True)
    assert len(children) >= 4
    demo.kill()
    demo.communicate()
    await_death(children, within=5)
    await_that(lambda: not checkout.files.is_held("users"), within=1)


@pytest.mark.slow
def test_it_ends_and_says_so_when_its_services_are_killed(checkout: Copy) -> None:
    port = free_port()
    demo = checkout.start("manage.py", "demo", PORT=str(port))
    read_until(demo, READY.format(port=port))
    family = everything(checkout, demo)
    checkout.supervisor().kill()
    output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert "The embedded services have ended" in output
    await_death(family, within=5)
