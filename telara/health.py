"""How Telara is: `/health/live`, `/health/ready` and `/health`; and the reading of it that `/metrics` prints.

One look asks all services at once and takes 2 s at most, whatever hangs. A look serves everybody for a second, and a
service that still owes the answer to an earlier look is not asked again: probes never pile up.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from devices.background import LATE_AFTER
from telara.probes import AwayError, Consumer, DatabaseAnswer, ask_broker, ask_database, ask_redis

log = structlog.get_logger(__name__)

PATIENCE_S = 2.0  # for all services together
LOOK_LASTS_S = 1.0
CONSUMER_GONE_S = 10.0  # a consumer writes its figures every 2 s


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw. `errors` names what is away, or `migrations`; `database` is None where it is away."""

    at: datetime
    errors: dict[str, str]
    took_s: dict[str, float]
    database: DatabaseAnswer | None

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The consumers that live."""
        rows = self.database.consumers if self.database else ()
        return tuple(row for row in rows if abs(self.at - row.updated_at).total_seconds() <= CONSUMER_GONE_S)

    @property
    def missing(self) -> list[str]:
        """Those of `consumer` and `worker` (the background one) of which none works."""
        ticked_at = self.database.ticked_at if self.database else None
        works = ticked_at is not None and abs(self.at - ticked_at) <= LATE_AFTER
        return [name for name, is_there in (("consumer", bool(self.consumers)), ("worker", works)) if not is_there]


@dataclass
class Lookout:
    """Looks at the services on behalf of everybody who asks; safe to call from any thread."""

    patience_s: float = PATIENCE_S
    lasts_s: float = LOOK_LASTS_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[float, Look] | None = None
    _owed: dict[str, Future[Any]] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(3, thread_name_prefix="health"))

    def look(self) -> Look:
        """The look of this second."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= self.lasts_s:
                seen = self._look()
                self._report(seen)
                self._last = (time.monotonic(), seen)
            return self._last[1]

    def _look(self) -> Look:
        began = time.monotonic()
        deadline = began + self.patience_s
        asks: dict[str, Callable[[], Any]] = {
            "database": lambda: ask_database(deadline),
            "broker": lambda: ask_broker(settings.KAFKA, deadline),
            "redis": lambda: ask_redis(settings.REDIS_URL, deadline),
        }
        took: dict[str, float] = {}
        for name, ask in asks.items():
            if name not in self._owed or self._owed[name].done():
                self._owed[name] = self._threads.submit(_timed, name, ask, took)
        wait(self._owed.values(), timeout=self.patience_s + 0.1)
        return self._seen(took)

    def _seen(self, took: dict[str, float]) -> Look:
        errors = {}
        for name, future in self._owed.items():
            if not future.done():
                errors[name] = "does not answer in time"
            elif isinstance(away := future.exception(), AwayError):
                errors[name] = str(away)
            elif away:
                raise away
        database = None if "database" in errors else self._owed["database"].result()
        if database and database.unapplied:
            errors["migrations"] = f"not applied: {', '.join(database.unapplied)}"
        return Look(at=datetime.now(UTC), errors=errors, took_s=dict(took), database=database)

    def _report(self, seen: Look) -> None:
        before = self._last[1].errors.keys() if self._last else set[str]()
        for service in seen.errors.keys() - before:
            log.warning("service is away", service=service, error=seen.errors[service])
        for service in before - seen.errors.keys():
            log.info("service is back", service=service)


def _timed(name: str, ask: Callable[[], Any], took: dict[str, float]) -> Any:
    began = time.monotonic()
    try:
        return ask()
    finally:
        took[name] = round(time.monotonic() - began, 4)


lookout = Lookout()


@never_cache
@require_safe
def live(_request: HttpRequest) -> JsonResponse:
    """The process answers. It asks nobody: a supervisor that restarts it cannot bring a database back."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 where database, broker, Redis and migrations are all there, else 503 with the culprits named."""
    seen = lookout.look()
    return _answer(seen, checks(seen))


@never_cache
@require_safe
def everything(_request: HttpRequest) -> JsonResponse:
    """`ready`, with each consumer's lag and ages, the outbox and the background worker's age.

    `degraded` (200): no consumer lives, or no background worker works.
    """
    seen = lookout.look()
    return _answer(seen, checks(seen) | pipeline(seen))


def _answer(seen: Look, body: dict[str, Any]) -> JsonResponse:
    answer = JsonResponse(body, status=503 if seen.errors else 200)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # by us, once, and not at every probe
    return answer


def checks(seen: Look) -> dict[str, Any]:
    """`status`, `culprits`, and for each check `ok`, `took_s` and, where it is not ok, `error`."""
    names = ["database", "migrations", "broker", "redis"]
    if "database" in seen.errors:
        names.remove("migrations")  # nobody can say
    report = {
        name: {"ok": name not in seen.errors}
        | ({"took_s": seen.took_s[name]} if name in seen.took_s else {})
        | ({"error": seen.errors[name]} if name in seen.errors else {})
        for name in names
    }
    status = "unavailable" if seen.errors else "ok"
    return {"status": status, "culprits": sorted(seen.errors), "checks": report}


def pipeline(seen: Look) -> dict[str, Any]:
    """`consumers`, `pipeline` (sums over them), `outbox`, `worker`; `status` where a process is missing."""
    if seen.database is None:
        return {}
    living = seen.consumers
    figures: dict[str, Any] = {
        "pipeline": {
            "consumers": len(living),
            "lag": sum(row.lag for row in living),
            "events_per_second": round(sum(row.events_per_second for row in living), 1),
        },
        "consumers": [_figures(row, seen.at) for row in living],
        "outbox": {
            "pending": seen.database.outbox_pending,
            "oldest_age_s": _age(seen.database.outbox_since, seen.at),
        },
        "worker": {"age_s": _age(seen.database.ticked_at, seen.at)},
    }
    if seen.errors or not seen.missing:
        return figures
    return figures | {"status": "degraded", "culprits": seen.missing}


def _figures(row: Consumer, at: datetime) -> dict[str, Any]:
    return {
        "consumer": row.consumer,
        "age_s": _age(row.updated_at, at),
        "running_s": _age(row.started_at, at),
        "evaluated_age_s": _age(row.evaluated_at, at),
        "lag": row.lag,
        "events_per_second": row.events_per_second,
        "delay_p99_s": row.delay_p99_s,
        "stored": row.stored,
        "duplicates": row.duplicates,
        "quarantined": row.quarantined,
    }


def _age(since: datetime | None, at: datetime) -> float | None:
    """Seconds, never negative: two machines' clocks differ."""
    return None if since is None else round(max(0.0, (at - since).total_seconds()), 1)
