"""The long lists: how long does the server take for each page of ten thousand?

    python -m benchmarks.pages [--people N] [--alerts N] [--explain]

So many people with a device each, ten of them heard a second ago and the others for a while not, and so many alerts.
Each page is asked for as a browser does, in this process: the whole request, the least of a few, after one that warms
up, since what else the machine does is no page's. Beside it stands how many times an empty page (one that does not
exist, of somebody who is signed in) that is, measured in the same run. A page that takes more than its limit has its
slowest query explained. Runs on the services of the environment, on a database of its own.
"""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks import _recorded
from benchmarks._scratch import scratch
from benchmarks._stored import alerts_fill, people_make, readings_fill, settled

TIMES = 9
LIMIT_MS = 150
PAGES = (
    ("desk", "/alerts/"),
    ("desk, a search", "/alerts/?q=at+rest"),
    ("desk, a rare search", "/alerts/?q=wearer_00077"),
    ("desk, nothing found", "/alerts/?q=nobody"),
    ("desk, closed, one rule", "/alerts/?view=closed&severity=LOW"),
    ("wearers", "/wearers/"),
    ("wearers, by name", "/wearers/?sort=name"),
    ("wearers, a search", "/wearers/?q=_007"),
    ("wearers, 100 rows", "/wearers/?rows=100"),
    ("devices", "/devices/"),
    ("devices, by name", "/devices/?sort=name"),
    ("devices, a search", "/devices/?q=_007"),
)


def measured(ask: Callable[[], Any]) -> tuple[float, list[tuple[float, str, Any]], Any]:
    """Milliseconds, the queries of the first time (ms, text, parameters), and the response."""
    from django.db import connection

    queries: list[tuple[float, str, Any]] = []

    def count(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, *rest)
        finally:
            queries.append((1000 * (time.perf_counter() - began), sql, params))

    ask()
    with connection.execute_wrapper(count):
        response = ask()
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        response = ask()
        took.append(1000 * (time.perf_counter() - began))
    return min(took), queries, response


def explained(sql: str, params: Any) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
        return "\n".join(f"      {line}" for (line,) in cursor.fetchall())


def fill(people: int, alerts: int) -> None:
    from django.utils import timezone

    from devices.models import Device

    now = timezone.now()
    pks = people_make(people)
    readings_fill(pks, since=now - timedelta(minutes=9), until=now - timedelta(minutes=6), every=timedelta(seconds=15))
    readings_fill(pks[:10], since=now - timedelta(minutes=5), until=now, every=timedelta(seconds=1))
    Device.objects.bulk_create(
        Device(user_id=pk, kind="apple_watch", last_seen_at=now - timedelta(minutes=6 if n >= 10 else 0))
        for n, pk in enumerate(pks)
    )
    alerts_fill(pks, alerts, until=now)
    settled()


def page(client: Any, title: str, path: str, empty: float, *, explain: bool) -> float:
    """Print what a page takes; its milliseconds."""
    took, queries, response = measured(lambda: client.get(path))
    if response.status_code != 200:
        raise SystemExit(f"{path}: {response.status_code}")
    asked, size = sum(ms for ms, _, _ in queries), len(response.content) / 1024
    over = f"  !! over {LIMIT_MS}" if took > LIMIT_MS else ""
    print(
        f"  {title:24}{took:6.0f} ms{took / empty:6.1f} empty pages  {len(queries):2} queries in {asked:4.0f} ms"
        f"{size:6.0f} KiB{over}"
    )
    if over or explain:
        slowest = max(queries, key=lambda query: query[0])
        print(f"    slowest query: {slowest[0]:.0f} ms\n{explained(*slowest[1:])}")
    return took


def main() -> None:
    parser = _recorded.parser(__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--explain", action="store_true", help="explain the slowest query of every page")
    options = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "CRITICAL")
    with scratch():
        from django.contrib.auth.models import Permission
        from django.test import Client

        from devices.models import User

        lead = User.objects.create_user("lead", password=None)
        lead.user_permissions.set(Permission.objects.filter(codename="view_all_wearers"))
        fill(options.people, options.alerts)
        client = Client(headers={"host": "localhost"})
        client.force_login(lead)
        empty, _, _ = measured(lambda: client.get("/there-is-no-such-page/"))
        print(f"{options.people:,} people, {options.alerts:,} alerts; an empty page takes {empty:.1f} ms")
        found = {path: page(client, title, path, empty, explain=options.explain) for title, path in PAGES}
    _recorded.compare("pages", {f"{name}_ms": found[f"/{name}/"] for name in ("alerts", "wearers", "devices")}, options)


if __name__ == "__main__":
    main()
