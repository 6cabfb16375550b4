"""The keeper of the demo's processes, with small real ones."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from telara.embedded.checkout import ROOT
from telara.processes import Keeper, Process, house, people, usual
from tests.telara.checkouts import await_death, await_that

pytestmark = pytest.mark.own_services  # of none: what it keeps are small processes
SLEEPS = ("-c", "import time; time.sleep(60)")
DIES = ("-c", "import sys; print('first'); sys.exit('the last thing it said')")
DEAF = ("-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)")
HAS_A_CHILD = (
    "-c",
    "import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid); "
    "time.sleep(60)",
)


class Terminal(list[str]):
    """What was said."""

    def __str__(self) -> str:
        return "\n".join(self)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def keeper(tmp_path: Path, terminal: Terminal) -> Iterator[Keeper]:
    keeper = Keeper(root=ROOT, logs=tmp_path, say=terminal.append)
    yield keeper
    keeper.stop(patience=0, is_hurried=lambda: True)


def stop(keeper: Keeper, *, patience: float = 5) -> None:
    keeper.stop(patience=patience, is_hurried=lambda: False)


def processes_of(keeper: Keeper) -> list[psutil.Process]:
    return [psutil.Process(child.popen.pid) for child in keeper.children if child.popen is not None]


def test_one_that_dies_is_said_by_name_with_its_last_lines(keeper: Keeper, terminal: Terminal) -> None:
    keeper.start([Process("worker", DIES)])
    await_that(lambda: bool(keeper.check()), within=5)
    assert "worker ended (exit code 1)" in str(terminal)
    assert "    first\n    the last thing it said" in str(terminal)


def test_one_that_was_killed_is_said_with_the_signal(keeper: Keeper, terminal: Terminal) -> None:
    keeper.start([Process("web", SLEEPS)])
    processes_of(keeper)[0].send_signal(signal.SIGKILL)
    await_that(lambda: bool(keeper.check()), within=5)
    assert "web ended (killed by SIGKILL)" in str(terminal)


def test_one_that_dies_is_started_again_later_each_time(keeper: Keeper, terminal: Terminal) -> None:
    keeper.start([Process("worker", DIES)])
    for wait in (1.0, 2.0):
        before = time.monotonic()
        while not keeper.check():
            time.sleep(0.05)
            before = time.monotonic()
        assert before + wait <= (keeper.children[0].restart_at or 0) <= time.monotonic() + wait
    assert "worker starts again" in str(terminal)


def test_stopping_ends_all_within_the_patience(keeper: Keeper, terminal: Terminal) -> None:
    keeper.start([Process("web", SLEEPS), Process("consumer", SLEEPS)])
    family = processes_of(keeper)
    stop(keeper)
    await_death(family, within=0.5)
    assert not terminal


def test_one_that_does_not_end_is_killed_and_named(keeper: Keeper, terminal: Terminal) -> None:
    keeper.start([Process("simulator", DEAF)])
    await_that(lambda: "deaf" in keeper.children[0].log.read_text(), within=5)
    family = processes_of(keeper)
    stop(keeper, patience=0.3)
    await_death(family, within=0.5)
    assert terminal == ["simulator does not end and is killed"]


def test_what_a_process_started_ends_with_it(keeper: Keeper) -> None:
    keeper.start([Process("worker", HAS_A_CHILD)])
    log = keeper.children[0].log
    await_that(lambda: log.read_text().endswith("\n"), within=5)
    grandchild = psutil.Process(int(log.read_text()))
    stop(keeper)
    await_death([grandchild], within=1)


def test_they_end_with_a_keeper_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from telara.processes import Keeper, Process\n"
        "keeper = Keeper(root=Path.cwd(), logs=Path(sys.argv[1]), say=print)\n"
        f"keeper.start([Process('web', {DEAF!r})])\n"
        "print(keeper.children[0].popen.pid, flush=True); time.sleep(60)"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert killed.stdout is not None
    child = psutil.Process(int(killed.stdout.readline()))
    await_that(lambda: "deaf" in (tmp_path / "web.log").read_text(), within=5)
    killed.kill()
    killed.communicate()
    await_death([child], within=2)


def test_the_pages_are_for_this_machine_alone() -> None:
    (web,) = (process for process in house(port=8123) if process.name == "web")
    assert {"--host=127.0.0.1", "--port=8123"} <= set(web.arguments)


def test_one_that_was_to_run_once_is_not_started_again(keeper: Keeper, terminal: Terminal) -> None:
    keeper.start([Process("past day", ("-c", "pass"), once=True)])
    assert not keeper.is_settled
    await_that(lambda: not keeper.check() and keeper.is_settled, within=5)
    assert not terminal


def test_one_that_was_to_run_once_and_failed_is_tried_again(keeper: Keeper) -> None:
    keeper.start([Process("past day", DIES, once=True)])
    await_that(lambda: bool(keeper.check()), within=5)
    assert not keeper.is_settled


NOON = datetime(2025, 12, 6, 12, tzinfo=UTC)


def spans(known_until: datetime | None) -> list[tuple[str, str, str]]:
    """Name, start and length of what is simulated of the past."""
    *past, _live = people(now=NOON, known_until=known_until)
    return [(p.name, *(p.arguments[p.arguments.index(o) + 1] for o in ("--start", "--duration"))) for (p,) in past]


def test_a_new_house_is_given_a_day_of_history() -> None:
    assert spans(None) == [
        ("past day", "2025-12-05T12:00:00+00:00", "82800"),
        ("past hour", "2025-12-06T11:00:00+00:00", "3600"),
    ]


def test_a_known_history_is_continued_where_it_ended() -> None:
    assert spans(NOON - timedelta(hours=3)) == [
        ("past day", "2025-12-06T09:00:00+00:00", "7200"),
        ("past hour", "2025-12-06T11:00:00+00:00", "3600"),
    ]
    assert spans(NOON - timedelta(minutes=10)) == [("past hour", "2025-12-06T11:50:00+00:00", "600")]
    assert spans(NOON) == []


def test_a_new_house_learns_what_is_usual_from_the_27_days_before_its_first_one() -> None:
    (past,), (baselines,) = usual(now=NOON, is_known=False)
    assert past.once
    assert {"2025-11-08T12:00:00+00:00", "2332800", "12"} <= set(past.arguments)
    assert baselines.arguments == ("manage.py", "make_baselines")


def test_what_is_usual_is_made_at_every_start_and_its_past_sent_once() -> None:
    ((baselines,),) = usual(now=NOON, is_known=True)
    assert (baselines.name, baselines.once) == ("baselines", True)
