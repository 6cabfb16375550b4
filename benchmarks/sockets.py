"""A thousand open sockets on one web process: how old is what they show, and what does a socket cost?

    python -m benchmarks.sockets [--people N] [--wide N] [--seconds N]

Everybody sends a reading a second, through Kafka, the stream worker and Redis. Of the sockets, `--wide` see all, the
rest one person each. All of them open at once, as after a restart. Runs on the services of the environment, on a
database and a topic of its own.
"""

import time

from benchmarks import _recorded
from benchmarks._live import at_share, consumer, heard, listeners, names, say_shares, send_steadily, tokens, web
from benchmarks._scratch import Running, Scratch, scratch

WARM_UP_S = 3
SETTLED_S = 3


def run(made: Scratch, people: int, wide: int, seconds: float) -> dict[str, float]:
    analysts = tokens([f"analyst_{number}" for number in range(wide)], see_all=True)
    wearers = names(people)
    own = tokens(wearers[: people - wide], see_all=False)
    wanted = [("", token) for token in analysts]
    wanted += [(f"?user_id={name}", token) for name, token in zip(wearers, own, strict=False)]
    with web(made) as serving, consumer(made) as consuming:
        warm(made, serving.port, analysts[0])
        without = serving.running.rss_kb()
        cpu = serving.running.cpu_s()
        with listeners(made, serving.port, wanted) as listening:
            listening.await_line("open", within_s=120)
            opening_cpu = serving.running.cpu_s() - cpu
            connections = database_connections()
            time.sleep(SETTLED_S)
            each_kb = (serving.running.rss_kb() - without) / len(wanted)
            send_steadily(made, rate=people, seconds=WARM_UP_S, people=people)
            began, before = time.time_ns() // 1000, cpu_of(serving.running, consuming, listening)
            sent = send_steadily(made, rate=people, seconds=seconds, people=people)
            after = cpu_of(serving.running, consuming, listening)
            time.sleep(1)
            loaded_kb = (serving.running.rss_kb() - without) / len(wanted)
            found = heard(listening, from_micros=began)
    shares = [(late - early) / sent.took_s for early, late in zip(before, after, strict=True)]
    frames = len(found.ages) / sent.took_s
    expected = len(sent.acknowledged) * (wide + (people - wide) / people)
    print(f"{len(wanted):,} sockets, {wide} of them see all; {people:,} people, a reading a second each")
    print(f"all open after       {found.opened_s:8.1f} s, {opening_cpu:.1f} s of processor time of the web process,"
          f" {connections} database connections")  # fmt: skip
    came = len(found.ages) / expected
    print(f"frames of readings   {frames:8,.0f} /s, {came:.1%} of what could come; closed: {found.closed}")
    print("age of what is shown ", end="")
    say_shares([age / 1000 for age in found.ages])
    print(f"memory               {each_kb:8.0f} KiB a socket, {loaded_kb:.0f} KiB after the run")
    print(f"processor            {shares[0]:8.0%} web, {shares[1]:.0%} consumer, {shares[2]:.0%} the listeners")
    each_us = 1e6 * shares[0] / frames
    print(f"web, a frame         {each_us:8.1f} us")
    p99 = at_share(sorted(found.ages), 0.99) / 1000
    return {"p99_ms": p99, "kib_a_socket": loaded_kb, "web_us_a_frame": each_us, "share_shown": came}


def warm(made: Scratch, port: int, token: str) -> None:
    """What the first socket loads is no socket's."""
    with listeners(made, port, [("", token)] * 20) as first:
        first.await_line("open")
        send_steadily(made, rate=100, seconds=1, people=10)
        time.sleep(1)
    time.sleep(1)


def database_connections() -> int:
    """Those of everybody to our database: the web process's, the consumer's and ours."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def cpu_of(*running: Running) -> list[float]:
    return [each.cpu_s() for each in running]


def main() -> None:
    parser = _recorded.parser(__doc__)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--wide", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with scratch() as made:
        found = run(made, options.people, options.wide, options.seconds)
    _recorded.compare("sockets", found, options)


if __name__ == "__main__":
    main()
