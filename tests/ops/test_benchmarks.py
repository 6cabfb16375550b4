"""The benchmarks of the whole run on real services, or say how to get them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._recorded import FILE, Figure, complaints

ROOT = Path(__file__).resolve().parents[2]
NAMED = {
    "DATABASE_URL": "postgresql://telara@127.0.0.1:9/telara",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


@pytest.mark.parametrize("name", ["growth", "ingest", "late", "latency", "pages", "reading_back", "sockets"])
@pytest.mark.parametrize(
    "environ",
    [{}, {"DATABASE_URL": NAMED["DATABASE_URL"]}, NAMED | {"TELARA_EMBEDDED": "kafka"}],
    ids=["nothing named", "some named", "named by an embedded parent"],
)
def test_a_benchmark_without_real_services_says_in_a_line_how_to_get_them(name: str, environ: dict[str, str]) -> None:
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    ended = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, env=clean | environ, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert ".ci/services start" in line
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("better", "value", "said"),
    [
        ("lower", 100, ""),
        ("lower", 119, ""),
        ("lower", 121, "got worse"),
        ("lower", 60, ""),
        ("higher", 81, "misses the goal"),
        ("higher", 79, "got worse"),
        ("higher", 200, ""),
    ],
)
def test_a_figure_is_said_that_got_worse_by_more_than_noise_or_misses_its_goal(
    better: str, value: float, said: str
) -> None:
    figure = Figure(value=100, better=better, noise=0.2, goal=150 if better == "lower" else 90)
    lines = list(complaints({"speed": figure}, {"speed": value}))
    assert [said in line for line in lines] == ([True] if said else [])


def test_every_recorded_figure_is_one_of_a_benchmark() -> None:
    for name, figures in json.loads(FILE.read_text()).items():
        source = (ROOT / "benchmarks" / f"{name}.py").read_text()
        assert "_recorded.compare" in source
        assert [Figure(**values).better in ("lower", "higher") for values in figures.values()] == [True] * len(figures)
