"""The engine alone: decoded columns in, findings out, all default rules, 200 people, one reading each every 5 s.

    python -m benchmarks.engine [--readings N] [--disorder SHARE]

Windows of what the rules read are put together, too, but nothing is written. Prints readings/s in batches of 5,000,
in order and with a share of the readings up to 10 minutes late on arrival.
"""

import argparse
import os
import pickle
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain

import django
import numpy as np
import polars as pl

from alerts.engine import FRESHNESS, Advance, Rule, RuleSet, Source, Window, new_person
from alerts.engine.crowd import Crowd, Times
from alerts.engine.derived import NO_BASELINES, derived
from alerts.engine.rule import over_rows
from alerts.engine.ruleset import metrics_of
from alerts.engine.usual import Usual
from alerts.rule_files import read_rules
from devices.metrics import METRICS
from devices.plausible import NEVER

# No service is asked for anything.
NOBODY = {
    "DJANGO_SETTINGS_MODULE": "telara.settings",
    "DATABASE_URL": "django.db.backends.dummy://",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "of a benchmark",
}
NO_WINDOWS = pl.DataFrame(schema={"user_id": pl.Int64})
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


class Stored:
    """What arrived so far, read back as from the database: one sorted piece a person."""

    def __init__(self, frame: pl.DataFrame) -> None:
        ordered = frame.sort("user_id", "recorded_at")
        self._people = {user: rows for (user,), rows in ordered.partition_by("user_id", as_dict=True).items()}
        self._times = {user: rows["recorded_at"].to_numpy() for user, rows in self._people.items()}
        self.until = frame["received_at"][0]

    def read(self, people: Sequence[int], since: Sequence[datetime], until: Sequence[datetime | str]) -> pl.DataFrame:
        pieces = [self._piece(*span) for span in zip(people, since, until, strict=True)]
        return pl.concat(pieces).filter(pl.col("received_at") <= self.until)

    def _piece(self, user: int, since: datetime, until: datetime | str) -> pl.DataFrame:
        times = self._times[user]
        start = np.searchsorted(times, np.datetime64(since.replace(tzinfo=None), "us"))
        end = len(times)
        if isinstance(until, datetime):
            end = np.searchsorted(times, np.datetime64(until.replace(tzinfo=None), "us"))
        return self._people[user][int(start) : int(end)]


def usual() -> pl.DataFrame:
    """Everybody's baselines."""
    hours = [
        (user, datetime(2026, 1, 1, tzinfo=UTC), "UTC", name, hour, *USUAL[name])
        for user in range(PEOPLE) for name in ("heart_rate", "hrv_ms") for hour in range(24)
    ]  # fmt: skip
    return pl.DataFrame(hours, schema=NO_BASELINES.schema, orient="row")


def run(frame: pl.DataFrame) -> None:
    from ingestion.evaluate.receipts import People
    from ingestion.evaluate.windows import Windows  # which needs Django's models

    by_source: dict[Source, list[Rule]] = defaultdict(list)
    for rule in over_rows(read_rules()[0]):
        by_source[rule.over].append(rule)
    lanes = {source: RuleSet(rules) for source, rules in by_source.items()}
    crowds: dict[Source, Crowd] = {source: Crowd(rules) for source, rules in lanes.items()}
    for source, rules in lanes.items():
        crowds[source].keep(Advance({user: new_person(rules) for user in range(PEOPLE)}))
    wanted = {source: metrics_of(rules.rules) for source, rules in lanes.items() if isinstance(source, Window)}
    stored, baselines = Stored(frame), Usual(usual())
    read = list(dict.fromkeys(chain.from_iterable(wanted.values())))
    windows = Windows(freshness=FRESHNESS, metrics=read, read=stored.read)
    seen = np.full(PEOPLE, NEVER)
    batches = [frame[at : at + BATCH] for at in range(0, frame.height, BATCH)]
    times = [times_of(batch) for batch in batches]
    found = unreached = 0
    started = time.perf_counter()
    for batch, last in zip(batches, times, strict=True):
        stored.until = batch["received_at"][-1]
        before = seen[last.user]
        seen[last.user] = np.maximum(before, last.at)
        completed = windows.complete(batch, people=People(last.user, before, seen[last.user]), wanted=wanted)
        windows.keep(completed)
        for source, crowd in crowds.items():
            if isinstance(source, Window):
                step = crowd.advance(completed.found.get(source, NO_WINDOWS), as_of=last)
            else:
                step = crowd.advance(derived(batch, crowd.rules.derived, baselines=baselines))
            crowd.keep(step)
            found += sum(len(stretch.episodes) for stretch in step.stretches)
            unreached += len(step.unreached)
    took = time.perf_counter() - started
    size = sum(crowd.size + size_of_runs(crowd) for crowd in crowds.values()) + windows.size
    print(
        f"{frame.height / took:12,.0f} readings/s   {sum(len(rules.rules) for rules in lanes.values())} rules   "
        f"{found:,} findings   {unreached:,} unreached   {size / PEOPLE / 1024:.1f} KiB a person"
    )


def times_of(batch: pl.DataFrame) -> Times:
    """How far the time of its people comes by a batch."""
    last = batch.group_by("user_id").agg(pl.max("recorded_at").cast(pl.Int64)).sort("user_id")
    return Times(last["user_id"].to_numpy(), last["recorded_at"].to_numpy())


def size_of_runs(crowd: Crowd) -> int:
    return sum(len(pickle.dumps((dict(state.base), dict(state.runs)))) for _, state in crowd.pending())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=400_000)
    parser.add_argument("--disorder", type=float, default=0.05)
    options = parser.parse_args()
    os.environ |= NOBODY
    django.setup()
    frame = readings(options.readings)
    print("in order     ", end="")
    run(frame)
    print("out of order ", end="")
    run(disordered(frame, options.disorder))


if __name__ == "__main__":
    main()
