"""From the broker's acknowledgement to the WebSocket frame: how long a reading takes to a screen.

    python -m benchmarks.latency [--rates PER_SECOND ...] [--seconds N]

A web process, a stream worker, and one socket of an analyst who sees everyone. Of each rate there are as many people,
each of whom sends a reading a second: a screen is given at most four a second of a person, so all of them are shown.
Runs on the services of the environment, on a database and a topic of its own.
"""

import time

from benchmarks import _recorded
from benchmarks._live import (
    at_share,
    await_caught_up,
    consumer,
    heard,
    listeners,
    say_shares,
    send_steadily,
    tokens,
    web,
)
from benchmarks._scratch import Scratch, scratch

WARM_UP_S = 3


def measure(made: Scratch, rate: int, seconds: float) -> dict[str, float]:
    (token,) = tokens([f"analyst_{rate}"], see_all=True)
    with web(made) as serving, consumer(made) as consuming, listeners(made, serving.port, [("", token)]) as listening:
        listening.await_line("open")
        send_steadily(made, rate=rate, seconds=WARM_UP_S, people=rate)
        await_caught_up(made, consuming)
        send_steadily(made, rate=rate, seconds=WARM_UP_S, people=rate)
        began, before = time.time_ns() // 1000, [each.cpu_s() for each in (serving.running, consuming)]
        sent = send_steadily(made, rate=rate, seconds=seconds, people=rate)
        after = [each.cpu_s() for each in (serving.running, consuming)]
        await_caught_up(made, consuming)
        time.sleep(1)
        found = heard(listening, from_micros=began)
    came = [sent_at + age - sent.acknowledged[sent_at] for sent_at, age in zip(found.micros, found.ages, strict=True)
            if sent_at in sent.acknowledged]  # fmt: skip
    shares = [(late - early) / sent.took_s for early, late in zip(before, after, strict=True)]
    shown = len(came) / len(sent.acknowledged)
    print(f"{rate:6,}/s  {len(sent.acknowledged) / sent.took_s:6,.0f} sent  {shown:7.2%} shown  "
          f"{shares[0]:4.0%} web  {shares[1]:4.0%} consumer  ", end="")  # fmt: skip
    milliseconds = sorted(each / 1000 for each in came)
    say_shares(milliseconds)
    return {f"{name}_ms_at_{rate}": at_share(milliseconds, share) for share, name in ((0.5, "p50"), (0.99, "p99"))}


def main() -> None:
    parser = _recorded.parser(__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    found: dict[str, float] = {}
    with scratch() as made:
        for rate in options.rates:
            found |= measure(made, rate, options.seconds)
    _recorded.compare("latency", found, options)


if __name__ == "__main__":
    main()
