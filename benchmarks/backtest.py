"""One rule over recorded readings from the command line, start-up included.

    python -m benchmarks.backtest [--readings N]

Writes N readings of heart and steps of 14 people, one each 5 s, to a .csv.gz file, and takes the time of
`manage.py backtest` over it. No service is asked for anything.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = 14
RULE = ROOT / "alerts" / "rules" / "tachycardia-at-rest.yaml"


def recorded(count: int) -> pl.DataFrame:
    random = np.random.default_rng(4)
    each = -(-count // PEOPLE)
    start = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
    at = pl.Series((start + 5 * np.tile(np.arange(each), PEOPLE)[:count]).astype(np.int64) * 1000)
    racing = np.arange(count) % 720 < 15  # a minute and a quarter of each hour
    return pl.DataFrame(
        {
            "timestamp": at.cast(pl.Datetime("ms", "UTC")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
            "user_id": [f"user_{number:03d}" for number in np.repeat(np.arange(PEOPLE), each)[:count]],
            "heart_rate": np.where(racing, 120, np.clip(random.normal(75, 9, count), 45, 99)).round(),
            "steps_per_minute": np.where(racing, 0, random.integers(0, 90, count)),
            "activity_level": np.where(racing, 3, random.integers(0, 30, count)),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--readings", type=int, default=406_342)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "readings.csv.gz")
        recorded(options.readings).write_csv(file, compression="gzip")
        command = [sys.executable, "manage.py", "backtest", "--rules", str(RULE), "--readings", str(file), "--json"]
        began = time.perf_counter()
        environ = {"SECRET_KEY": "asked for where all services are named", **os.environ}
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
        )
        took = time.perf_counter() - began
    episodes = len(done.stdout.splitlines())
    print(f"{options.readings:,} readings in a file, one rule, {episodes:,} episodes")
    print(f"from the command line       {took:10.2f} s")


if __name__ == "__main__":
    main()
