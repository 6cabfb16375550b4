"""What is stored, drawn again: how long does the server take for a page?

    python -m benchmarks.reading_back [--days N] [--hertz N] [--people N] [--alerts N]

One person with a month of readings twice a second, and a thousand with a few minutes and ten thousand alerts. Each page
is asked for as a browser does, in this process; the time is that of the whole request, the median of a few, after one
that warms up. Runs on the services of the environment, on a database of its own.
"""

import json
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

from benchmarks import _recorded
from benchmarks._scratch import scratch
from benchmarks._stored import alerts_fill, minute_of, people_make, readings_fill, settled, windows_fill

TIMES = 5


def measured(ask: Callable[[], Any]) -> tuple[float, int, Any]:
    """Milliseconds, how many queries, and the response."""
    from django.db import connection

    queries: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        queries.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        response = ask()
    if response.status_code != 200:
        raise SystemExit(f"{response.status_code}: {response.content[:500]!r}")
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        response = ask()
        took.append(1000 * (time.perf_counter() - began))
    return median(took), len(queries), response


def points_of(page: str) -> int:
    """The most points of a line."""
    found = re.search(r'<script id="wearer-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    strips = json.loads(found[1])["strips"] if found else {}
    return max((len(line["at"]) for strip in strips.values() for line in strip["lines"]), default=0)


def say(title: str, took: float, queries: int, shown: str, response: Any) -> None:
    print(f"  {title:18}{took:8.0f} ms  {queries:3} queries  {shown:22}{len(response.content) / 1024:6.0f} KiB")


def person(days: int, hertz: float) -> dict[str, float]:
    from django.test import Client
    from django.utils import timezone

    from devices.models import User
    from devices.times import rfc3339

    now = timezone.now()
    (pk,) = people_make(1, prefix="one")
    began = time.perf_counter()
    since = minute_of(now) - timedelta(days=days)
    count = readings_fill([pk], since=since, until=now, every=timedelta(seconds=1 / hertz))
    minutes = windows_fill([pk], since=since, until=minute_of(now))
    settled()
    print(f"one person: {count:,} readings, {minutes:,} minutes ({time.perf_counter() - began:.0f} s to fill)")
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="lead"))
    found: dict[str, float] = {}
    for name in ("5m", "1h", "24h", "7d", "30d"):
        took, queries, response = measured(lambda name=name: client.get("/wearers/one_00000/", {"range": name}))
        say(f"wearer, {name}", took, queries, f"{points_of(response.text)} points a line", response)
        found |= {f"wearer_{name}_ms": took, f"wearer_{name}_points": points_of(response.text)}
    month = {"user_id": "one_00000", "since": rfc3339(since), "until": rfc3339(now)}
    for path, asked in (("readings", month | {"limit": 1000}), ("windows", month | {"limit": 1000}),
                        ("windows", month | {"limit": 1000, "since": rfc3339(now - timedelta(days=1))})):  # fmt: skip
        took, queries, response = measured(lambda path=path, asked=asked: client.get(f"/api/v1/{path}/", asked))
        say(f"API, {path}", took, queries, f"{len(response.json()['results'])} rows", response)
    return {name: found[name] for name in ("wearer_24h_ms", "wearer_30d_ms", "wearer_30d_points")}


def everybody(people: int, alerts: int) -> dict[str, float]:
    from django.test import Client
    from django.utils import timezone

    from alerts.models import Alert
    from devices.models import User

    now = timezone.now()
    pks = people_make(people)
    count = readings_fill(pks, since=now - timedelta(minutes=5), until=now, every=timedelta(seconds=1))
    alerts_fill(pks, alerts, until=now)
    settled()
    print(f"{people:,} people: {count:,} readings, {alerts:,} alerts")
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="lead"))
    firing = Alert.objects.filter(episode="firing").order_by("-opened_at")[0]
    found: dict[str, float] = {}
    for title, path in (("overview", "/"), ("overview's parts", "/overview/parts/"), ("wearers", "/wearers/"),
                        ("desk", "/alerts/"), ("an alert", f"/alerts/{firing.pk}/")):  # fmt: skip
        took, queries, response = measured(lambda path=path: client.get(path))
        say(title, took, queries, "", response)
        found |= {f"{title}_ms": took, f"{title}_queries": queries}
    return {name: found[name] for name in ("overview_ms", "overview_queries", "wearers_ms", "desk_ms")}


def main() -> None:
    parser = _recorded.parser(__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--hertz", type=float, default=2.0)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--alerts", type=int, default=10_000)
    options = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    with scratch():
        from django.contrib.auth.models import Permission

        from devices.models import User

        lead = User.objects.create_user("lead", password=None)
        lead.user_permissions.set(Permission.objects.filter(codename="view_all_wearers"))
        found = person(options.days, options.hertz) | everybody(options.people, options.alerts)
    _recorded.compare("reading_back", found, options)


if __name__ == "__main__":
    main()
