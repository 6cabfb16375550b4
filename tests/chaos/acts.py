"""What is done to consumers, each act one function, so that a scenario reads as a sentence."""

import signal
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.stage import Stage
from tests.ingestion.running import Running, until


def kill_at(stage: Stage, point: str, *, changed_by: str = "") -> None:
    """A consumer works until it reaches the point, and dies there."""
    with stage.consumer("--until-caught-up", failpoint=point, changed_by=changed_by) as killed:
        assert killed.wait(60) == -signal.SIGKILL, (point, killed.output.read_text()[-2000:])


def stop_at(stage: Stage, acts: ExitStack, point: str, *, changed_by: str = "stopping") -> Running:
    """A consumer works until it reaches the point, and stands still there until it is woken (SIGCONT)."""
    running: Running = acts.enter_context(stage.consumer(failpoint=point, changed_by=changed_by))
    until(lambda: is_stopped(running), within_s=60)
    return running


def wake(running: Running) -> None:
    running.process.send_signal(signal.SIGCONT)


def is_stopped(running: Running) -> bool:
    assert running.process.poll() is None, running.output.read_text()[-2000:]
    return Path(f"/proc/{running.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
