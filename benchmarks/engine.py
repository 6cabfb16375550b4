"""The engine alone: decoded columns in, findings out, all default rules, 200 people, one reading each every 5 s.

    python -m benchmarks.engine [--readings N] [--disorder SHARE]

Prints readings/s in batches of 5,000, in order and with a share of the readings up to 10 minutes late on arrival.
"""

import argparse
import pickle
import time
from datetime import UTC, datetime

import numpy as np
import polars as pl

from alerts.engine import RuleSet, advance, new_person
from alerts.engine.rule import over_rows
from alerts.rule_files import read_rules
from devices.metrics import METRICS

PEOPLE = 200
CADENCE_S = 5
BATCH = 5_000
START = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
USUAL = {
    "heart_rate": (72.0, 9.0),
    "hrv_ms": (45.0, 8.0),
    "spo2_percent": (97.0, 1.2),
    "skin_temp_c": (34.0, 0.4),
    "respiratory_rate": (14.0, 1.6),
    "steps_per_minute": (0.0, 0.0),
    "activity_level": (5.0, 2.0),
}


def readings(count: int, seed: int = 1) -> pl.DataFrame:
    """`count` readings of people at rest; one in fifty has a minute of a racing heart in every hour."""
    random = np.random.default_rng(seed)
    user, turn = np.tile(np.arange(PEOPLE), count // PEOPLE + 1)[:count], np.arange(count) // PEOPLE
    columns = {name: random.normal(mean, spread, count) for name, (mean, spread) in USUAL.items()}
    racing = (user % 50 == 0) & ((turn * CADENCE_S) % 3600 < 60)
    columns["heart_rate"] = np.where(racing, 120.0, np.clip(columns["heart_rate"], 45, 99)).round(1)
    ids = random.integers(0, 256, (count, 16), dtype=np.uint8).tobytes().hex()
    texts = [ids[at : at + 32] for at in range(0, len(ids), 32)]
    at = (START + turn * CADENCE_S) * 1_000_000 + random.integers(0, 1_000_000, count)
    frame = pl.DataFrame({"user_id": user, "recorded_at": at, **columns}).with_columns(
        pl.col("recorded_at").cast(pl.Datetime("us", "UTC")),
        pl.Series("event_id", [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]),
        pl.lit(0, pl.Int64).alias("flags"),
    )
    absent = [
        pl.lit(None, pl.String if metric.is_text else pl.Float64).alias(metric.name)
        for metric in METRICS.values()
        if metric.name not in columns
    ]
    return frame.with_columns(pl.col("recorded_at").alias("received_at"), *absent)


def disordered(frame: pl.DataFrame, share: float, seed: int = 2) -> pl.DataFrame:
    """The frame in order of arrival where a share of the readings comes up to 10 minutes late."""
    random = np.random.default_rng(seed)
    late = np.where(random.random(frame.height) < share, random.integers(0, 600_000_000, frame.height), 0)
    arrival = pl.col("recorded_at") + pl.Series(late).cast(pl.Duration("us"))
    return frame.with_columns(arrival.alias("received_at")).sort("received_at")


def run(frame: pl.DataFrame) -> None:
    rules = RuleSet(over_rows(read_rules()[0]))
    states = {user: new_person(rules) for user in range(PEOPLE)}
    batches = [frame[at : at + BATCH] for at in range(0, frame.height, BATCH)]
    found = unreached = 0
    started = time.perf_counter()
    for batch in batches:
        step = advance(rules, states, batch)
        states.update(step.states)
        found += sum(len(stretch.episodes) for stretch in step.stretches)
        unreached += len(step.unreached)
    took = time.perf_counter() - started
    size = sum(state.tail.table.nbytes + state.tail.values.nbytes for state in states.values())
    size += sum(len(pickle.dumps((dict(state.base), dict(state.runs)))) for state in states.values())
    print(
        f"{frame.height / took:12,.0f} readings/s   {len(rules.rules)} rules   {found:,} findings   "
        f"{unreached:,} unreached   {size / PEOPLE / 1024:.1f} KiB a person"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=400_000)
    parser.add_argument("--disorder", type=float, default=0.05)
    options = parser.parse_args()
    frame = readings(options.readings)
    print("in order     ", end="")
    run(frame)
    print("out of order ", end="")
    run(disordered(frame, options.disorder))


if __name__ == "__main__":
    main()
