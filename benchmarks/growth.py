"""What more costs: more stream workers, more stored rows, more people, and partitions that come and go meanwhile.

    python -m benchmarks.growth [--readings N] [--every S] [--rows N ...] [--people N ...] [--consumers N ...]

Each run has a topic and people of its own. Its people have each sent a reading before, so that what is measured is not
getting to know them; processor time is that of the stream worker, over so many readings, one a second of each person,
sent as fast as the broker takes them. `--every` is another number of seconds, for the runs with more and more people.
Runs on the services of the environment, on a database of its own.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from benchmarks import _recorded
from benchmarks._live import send_steadily
from benchmarks._scratch import Scratch, await_stored, scratch, send, stored_of
from benchmarks._stored import people_make, readings_fill, settled

PARTITIONS = 6
EVERY = timedelta(seconds=1)
OLD = datetime(2015, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Load:
    """So many readings in all, of each of these people one `every` so often."""

    who: list[str]
    count: int
    every: timedelta = EVERY


@dataclass(frozen=True)
class Run:
    """Processor microseconds a reading, readings a second, the most MB that a stream worker held, and how many of them
    before the readings, when it had met its people."""

    cpu_us: float
    rate: float
    peak_mb: float
    met_mb: float


@contextmanager
def topic_of(made: Scratch, name: str) -> Iterator[Scratch]:
    """The same with a topic and a group of their own."""
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic
    from django.conf import settings

    own = replace(made, topic=f"{made.topic}-{name}", group=f"{made.group}-{name}")
    admin = AdminClient(dict(settings.KAFKA))
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(own.topic, PARTITIONS, 1, config=config)])[own.topic].result(20)
    try:
        yield own
    finally:
        admin.delete_topics([own.topic])[own.topic].result(20)


def messages(load: Load, until: datetime) -> Iterator[tuple[str, bytes]]:
    """Everybody in turn, in order of time; nobody's values are such that an alert follows."""
    each = max(1, load.count // len(load.who))
    rest = json.dumps({
        "vitals": {"heart_rate": 70, "spo2_percent": 97, "respiratory_rate": 14, "hrv_ms": 45, "skin_temp_c": 33.4},
        "activity": {"steps_per_minute": 0, "activity_level": 4, "posture": "seated"},
    })[1:]  # fmt: skip
    rests = [rest.replace('"heart_rate": 70', f'"heart_rate": {rate}') for rate in range(70, 75)]  # no stuck sensor
    for number in range(each):
        at = (until - load.every * (each - 1 - number)).isoformat()
        for place, name in enumerate(load.who):
            key = UUID(int=time.time_ns() << 64 | place)
            yield name, f'{{"event_id":"{key}","timestamp":"{at}","user_id":"{name}",{rests[number % 5]}'.encode()


def measure(made: Scratch, name: str, load: Load, *, consumers: int = 1) -> Run:
    """One run: everybody is known to the stream workers, which then get the load."""
    from django.conf import settings

    with topic_of(made, name) as own, ExitStack() as stack:
        command = ("manage.py", "run_consumer", "--topics", own.topic, "--group", own.group, "--from", "earliest")
        running = [stack.enter_context(own.process(*command)) for _ in range(consumers)]
        for each in running:
            each.await_line("consumer.assigned")
        now = datetime.now(UTC)
        people = len(load.who)
        first = replace(load, count=people)
        send(own.topic, messages(first, now - load.every * (load.count // people + 1)), settings.KAFKA)
        await_stored(running, own.topic, people)
        time.sleep(1)
        met = max(each.peak_mb() for each in running)
        sent = list(messages(load, now))
        before, began = sum(each.cpu_s() for each in running), time.time()
        send(own.topic, sent, settings.KAFKA)
        ended = await_stored(running, own.topic, people + len(sent))
        cpu = sum(each.cpu_s() for each in running) - before
        peak = max(each.peak_mb() for each in running)
        return Run(1e6 * cpu / len(sent), len(sent) / (ended - began), peak, met)


def say(what: str, run: Run) -> None:
    speed = f"{run.cpu_us:8.1f} us a reading {run.rate:9,.0f} readings/s"
    print(f"{what:28}{speed} {run.peak_mb:6.0f} MB at most, {run.met_mb:.0f} before them", flush=True)


def with_rows(made: Scratch, rows: list[int], count: int) -> list[Run]:
    """With so many stored rows, most of them of the thousand people who go on."""
    found = []
    filled = 0
    for wanted in rows:
        pks = people_make(1000, prefix=f"rows{wanted}")
        until = datetime.now(UTC) - timedelta(minutes=20)
        every = timedelta(seconds=1)
        filled += readings_fill(pks, since=until - every * ((wanted - filled) // 1000), until=until, every=every)
        settled()
        who = [f"rows{wanted}_{number:05d}" for number in range(1000)]
        found.append(measure(made, f"rows{wanted}", Load(who, count)))
        say(f"{wanted:12,} rows stored", found[-1])
    return found


def with_people(made: Scratch, people: list[int], count: int, every: timedelta) -> list[Run]:
    found = []
    for number in people:
        who = [f"of{number}_{place:05d}" for place in range(number)]
        found.append(measure(made, f"of{number}", Load(who, count, every)))
        say(f"{number:12,} people", found[-1])
    return found


def with_consumers(made: Scratch, consumers: list[int], count: int) -> list[Run]:
    found = []
    for number in consumers:
        who = [f"by{number}_{place:05d}" for place in range(1000)]
        found.append(measure(made, f"by{number}", Load(who, count), consumers=number))
        say(f"{number:12} stream worker{'' if number == 1 else 's'}", found[-1])
    return found


def with_partitions(made: Scratch) -> None:
    """What a steady thousand readings a second feel of partitions that are made ahead and dropped."""
    from devices.partitions import drop_older_than, make_ahead

    dropped = readings_fill(people_make(100, prefix="old"), since=OLD, until=OLD + timedelta(seconds=5000),
                            every=timedelta(seconds=1))  # fmt: skip
    with topic_of(made, "partitions") as own:
        command = ("manage.py", "run_consumer", "--topics", own.topic, "--group", own.group, "--from", "earliest")
        with own.process(*command) as running:
            running.await_line("consumer.assigned")
            steps: list[tuple[float, int]] = []
            sending = threading.Thread(
                target=send_steadily, args=(own,), kwargs={"rate": 1000, "seconds": 12, "people": 1000}
            )
            sending.start()
            began, took = time.time(), {}
            while sending.is_alive():
                now = time.time()
                steps.append((now, stored_of(own.topic)))
                if now > began + 6 and "made" not in took:
                    made_names = make_ahead(datetime.now(UTC) + timedelta(days=60), span="month")
                    took["made"] = 1000 * (time.time() - now)
                elif now > began + 9 and "dropped" not in took:
                    gone = drop_older_than(OLD + timedelta(days=400))
                    took["dropped"] = 1000 * (time.time() - now)
                time.sleep(0.01)
            sending.join()
    moved = [at for (at, count), (_, before) in zip(steps[1:], steps, strict=False) if count > before]
    still = [(later - at, at) for at, later in pairwise(moved)]
    calm = max((gap for gap, at in still if began + 4 < at < began + 5.5), default=0)
    busy = max((gap for gap, at in still if at > began + 5.5), default=0)
    print(f"made ahead                  {took['made']:8.0f} ms for {len(made_names)}; dropped one of {dropped:,} rows "
          f"({', '.join(gone)}) in {took['dropped']:.0f} ms; longest stand-still of the ledger {1000 * busy:.0f} ms, "
          f"{1000 * calm:.0f} ms before")  # fmt: skip


def main() -> None:
    parser = _recorded.parser(__doc__)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--every", type=float, default=EVERY.total_seconds())
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--people", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--consumers", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    with scratch() as made:
        with_partitions(made)
        people = with_people(made, options.people, options.readings, timedelta(seconds=options.every))
        consumers = with_consumers(made, options.consumers, options.readings)
        rows = with_rows(made, options.rows, options.readings)
    found = {
        "cpu_us_a_reading_of_most_people": people[-1].cpu_us,
        "cpu_of_most_to_fewest_people": people[-1].cpu_us / people[0].cpu_us,
        "cpu_of_most_to_fewest_rows": rows[-1].cpu_us / rows[0].cpu_us,
        "rate_of_most_consumers_to_one": consumers[-1].rate / consumers[0].rate,
        "peak_mb_of_most_people": people[-1].peak_mb,
    }
    _recorded.compare("growth", found, options)


if __name__ == "__main__":
    main()
