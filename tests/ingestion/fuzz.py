"""Damaged events by the million: each is judged as the consumer judges it, and the two ways to judge must agree.

    python -m tests.ingestion.fuzz [COUNT] [--seed N] [--processes N] [--found FOLDER]

The first messages that become something else in a batch than alone (`tests.ingestion.rounds`), or all of those among
which one ended the process, are written to FOLDER, and the exit code is 1; the same seed gives the same messages again.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.ingestion.rounds import Round

# No service is asked for anything.
NOBODY = {
    "DJANGO_SETTINGS_MODULE": "telara.settings",
    "DATABASE_URL": "django.db.backends.dummy://",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "of a fuzzer",
}
ROUND = 3_000  # messages
APART = 1_000_003  # rounds between two seeds


class ProcessEndedError(Exception):
    """A process ended while it played one of the rounds `seeds`."""

    def __init__(self, seeds: list[int]) -> None:
        super().__init__(f"a process ended in one of the rounds {seeds}")
        self.seeds = seeds


def run(count: int, *, seed: int, processes: int) -> "Iterator[Round]":
    """The rounds of `count` messages; raises ProcessEndedError."""
    rounds = [(seed * APART + number, min(ROUND, count - number * ROUND)) for number in range(-(-count // ROUND))]
    playing: dict[Future[Round], int] = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start) as pool:
        while rounds or playing:
            try:
                while rounds and len(playing) <= processes:
                    of_seed, messages = rounds.pop()
                    playing[pool.submit(_play, of_seed, messages)] = of_seed
                for future in wait(playing, return_when=FIRST_COMPLETED).done:
                    yield future.result()
                    del playing[future]
            except BrokenProcessPool:
                raise ProcessEndedError(sorted(playing.values())) from None


def _start() -> None:
    os.environ.update(NOBODY)
    django.setup()


def _play(seed: int, count: int) -> "Round":
    from tests.ingestion.rounds import play

    return play(seed, count)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--found", type=Path, default=Path("var/fuzz"))
    given = parser.parse_args(arguments)
    began, outcomes = time.monotonic(), Counter[str]()
    try:
        for each in run(given.count, seed=given.seed, processes=given.processes):
            outcomes += each.outcomes
            if each.differing:
                return _report(given.found, each.seed, each.differing)
    except ProcessEndedError as error:
        return _report_all(given.found, error)
    took = time.monotonic() - began
    print(f"{outcomes.total():,} messages in {took:.0f} s: {outcomes.total() / took:,.0f}/s, seed {given.seed}")
    for name, number in outcomes.most_common():
        print(f"  {name:18} {number:>9,}")
    return 0


def _report(folder: Path, seed: int, differing: Sequence[tuple[bytes, str]]) -> int:
    for number, (payload, said) in enumerate(differing):
        print(f"{_write(folder, f'{seed}-{number}', payload)}: {said}", file=sys.stderr)
    return 1


def _report_all(folder: Path, error: ProcessEndedError) -> int:
    from tests.ingestion.rounds import messages

    for seed in error.seeds:
        for number, payload in enumerate(messages(seed, ROUND)):
            _write(folder, f"{seed}-{number}", payload)
    print(f"{error}; their messages are in {folder}", file=sys.stderr)
    return 1


def _write(folder: Path, name: str, payload: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.bin"
    path.write_bytes(payload)
    return path


if __name__ == "__main__":
    _start()  # here, too: what the others send back is read with it
    sys.exit(main())
