"""The benchmarks of the whole run on real services, or say how to get them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = {
    "DATABASE_URL": "postgresql://telara@127.0.0.1:9/telara",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


@pytest.mark.parametrize("name", ["ingest", "late", "latency", "reading_back", "sockets"])
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
