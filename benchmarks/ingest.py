"""From Kafka into PostgreSQL, all default rules on: how fast, against PostgreSQL alone on the same rows.

    python -m benchmarks.ingest [--readings N] [--people N] [--batch N]

Sends N simulated readings of the contract to a broker, then starts one consumer (`manage.py run_consumer`) and takes
the time from its first poll to its last commit. Then the same rows go into tables of the same definition and index: by
bare COPY, and by COPY to a staging table with INSERT .. ON CONFLICT DO NOTHING, in batches of the consumer's size.
Runs on the services of the environment, on a database and a topic of its own.
"""

import io
import time

from benchmarks import _recorded
from benchmarks._scratch import Scratch, await_stored, scratch, send

START_MS = 1_764_936_000_000  # 2025-12-05, noon


def events(count: int, people: int) -> list[tuple[str, bytes]]:
    """Simulated readings as messages by key: everybody once a second, one in fifty with a racing heart."""
    from devices.simulator.events import encode
    from devices.simulator.grid import Rate
    from devices.simulator.people import people as population
    from devices.simulator.people import wearer_ids
    from devices.simulator.stream import Injection, Stretch, readings

    who = population(7, wearer_ids(people))
    seconds = 1000 * (count // people + 60)
    racing = frozenset(who.user_ids[::50])
    injection = Injection("tachycardia_at_rest", racing, START_MS + 60_000, START_MS + 180_000)
    stretch = Stretch(who, Rate.of(1.0), START_MS, START_MS + seconds)
    frame = readings(stretch, [injection])[:count]
    return list(zip(frame["user_id"], (text.encode() for text in encode(who, frame)), strict=True))


def consume(made: Scratch, count: int, batch: int) -> tuple[float, float, float]:
    """Seconds from the first poll to the last commit, processor seconds over them, and the most MB held."""
    arguments = ("manage.py", "run_consumer", "--topics", made.topic, "--group", made.group)
    with made.process(*arguments, TELARA_BATCH_MESSAGES=str(batch)) as running:
        running.await_line("consumer.started")
        cpu = running.cpu_s()
        began = running.await_line("consumer.assigned")
        ended = await_stored([running], made.topic, count)
        return ended - began, running.cpu_s() - cpu, running.peak_mb()


def rows_as_csv(batch: int) -> tuple[list[bytes], int]:
    """The stored rows as CSV in batches, in order of time, and how many they are."""
    from django.db import connection

    from devices.models.reading import COLUMNS

    out = io.BytesIO()
    with connection.cursor() as cursor:
        columns = ", ".join(COLUMNS)
        copy = f"COPY (SELECT {columns} FROM devices_reading ORDER BY recorded_at, event_id) TO STDOUT (FORMAT csv)"
        cursor.copy_expert(copy, out)
    lines = out.getvalue().splitlines(keepends=True)
    return [b"".join(lines[at : at + batch]) for at in range(0, len(lines), batch)], len(lines)


def copy_bare(batches: list[bytes]) -> float:
    """Seconds to COPY the batches into a table like the readings', a transaction each."""
    from django.db import connection, transaction

    from devices.models.reading import COLUMNS

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_bare (LIKE devices_reading INCLUDING ALL)")
        began = time.perf_counter()
        for lines in batches:
            with transaction.atomic():
                cursor.copy_expert(f"COPY bench_bare ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)", io.BytesIO(lines))
        return time.perf_counter() - began


def copy_staged(batches: list[bytes]) -> float:
    """Seconds to COPY each batch to a staging table and INSERT it from there, leaving what is there alone."""
    from django.db import connection, transaction

    from devices.models.reading import COLUMNS

    names = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_staged (LIKE devices_reading INCLUDING ALL)")
        cursor.execute("CREATE TEMP TABLE bench_staging (LIKE devices_reading) ON COMMIT DELETE ROWS")
        began = time.perf_counter()
        for lines in batches:
            with transaction.atomic():
                cursor.copy_expert(f"COPY bench_staging ({names}) FROM STDIN (FORMAT csv)", io.BytesIO(lines))
                cursor.execute(
                    f"INSERT INTO bench_staged ({names}) SELECT {names} FROM bench_staging ON CONFLICT DO NOTHING"
                )
        return time.perf_counter() - began


def main() -> None:
    parser = _recorded.parser(__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16_000)
    options = parser.parse_args()
    with scratch() as made:
        from django.conf import settings

        from alerts.models import Alert, RuleVersion

        count = options.readings
        messages = events(count, options.people)
        send(made.topic, messages, settings.KAFKA)
        took, cpu, peak = consume(made, count, options.batch)
        batches, stored = rows_as_csv(options.batch)
        bare, staged = copy_bare(batches), copy_staged(batches)
        rules, alerts = RuleVersion.objects.filter(active_until__isnull=True).count(), Alert.objects.count()
        size = sum(len(value) for _, value in messages) / count
        print(f"{count:,} readings of {options.people} people, {size:.0f} bytes each, {rules} rules on")
        print(f"stored                      {stored:10,} rows, {alerts} alerts")
        print(f"consumer                    {stored / took:10,.0f} readings/s   {took:6.2f} s")
        print(f"bare COPY                   {stored / bare:10,.0f} rows/s       {bare:6.2f} s")
        print(f"staging COPY + ON CONFLICT  {stored / staged:10,.0f} rows/s       {staged:6.2f} s")
        print(f"ratio to the second         {staged / took:10.2f}")
        print(f"consumer CPU                {cpu / stored * 1e6:10.1f} us a reading")
        print(f"consumer memory, at most    {peak:10.0f} MB")
        found = {"ratio_to_staging_copy": staged / took, "cpu_us_a_reading": cpu / stored * 1e6, "peak_mb": peak}
        _recorded.compare("ingest", found, options)


if __name__ == "__main__":
    main()
