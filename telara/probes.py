"""Questions to the services, each answered within its deadline or not at all; none uses the connections of requests.

A server that is stopped, but whose kernel still takes packets, hangs a client for ever. So the database is asked over a
connection of its own that never blocks, Redis and the broker with timeouts of their own.
"""

import logging
import select
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import psycopg2
import psycopg2.extensions
import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.models import Count, QuerySet, Value
from redis.backoff import NoBackoff
from redis.retry import Retry

from alerts.models import Alert, OutboxEntry
from alerts.models.alert import EpisodeState
from devices.models import BackgroundTick, Erasure, PipelineStatus


class AwayError(Exception):
    """A service did not answer as it should; the text names no address and no secret."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A row of `PipelineStatus`: the figures a consumer gave of itself at `updated_at`."""

    consumer: str
    updated_at: datetime
    started_at: datetime
    lag: int
    events_per_second: float
    delay_p99_s: float | None
    evaluated_at: datetime | None
    stored: int
    duplicates: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class DatabaseAnswer:
    """What the database says of Telara; all but `unapplied` is empty where migrations are missing."""

    unapplied: tuple[str, ...]
    consumers: tuple[Consumer, ...] = ()
    firing: tuple[tuple[str, str, int], ...] = ()  # class, severity, alerts
    outbox_pending: int = 0
    outbox_since: datetime | None = None
    ticked_at: datetime | None = None  # when the background worker last worked
    erasures_failing: int = 0


class Query(Protocol):
    def __call__(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


def ask_database(deadline: float) -> DatabaseAnswer:
    """The state of schema, pipeline and outbox. Raises AwayError; `deadline` is on `time.monotonic()`'s clock."""
    params = connections["default"].get_connection_params()
    try:
        with closing(psycopg2.connect(**params, async_=True)) as connection:
            _wait(connection, deadline)

            def query(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
                with connection.cursor() as cursor:
                    cursor.execute(sql, params)
                    _wait(connection, deadline)
                    rows: list[tuple[Any, ...]] = cursor.fetchall()
                    return rows

            return _read(query)
    except psycopg2.Error as error:
        raise AwayError(
            "does not answer" if isinstance(error, psycopg2.OperationalError) else "refuses a query"
        ) from error


def _wait(connection: psycopg2.extensions.connection, deadline: float) -> None:
    """Until what was begun on `connection` is done. Raises AwayError at `deadline`."""
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading = [connection] if state == psycopg2.extensions.POLL_READ else []
        writing = [connection] if state == psycopg2.extensions.POLL_WRITE else []
        if not any(select.select(reading, writing, [], max(0.0, deadline - time.monotonic()))):
            raise AwayError("does not answer in time")


def _read(query: Query) -> DatabaseAnswer:
    exists = query("SELECT to_regclass('django_migrations') IS NOT NULL")[0][0]
    applied = set(query("SELECT app, name FROM django_migrations")) if exists else set()
    if unapplied := tuple(f"{app}.{name}" for app, name in _migrations() if (app, name) not in applied):
        return DatabaseAnswer(unapplied)
    consumers = PipelineStatus.objects.order_by("consumer").values_list(*Consumer.__slots__)
    firing = Alert.objects.filter(episode=EpisodeState.FIRING).order_by("alert_class", "severity")
    unsent = OutboxEntry.objects.filter(sent_at=None)
    oldest = _rows(query, unsent.order_by("pk").values_list("created_at")[:1])
    ticks = _rows(query, BackgroundTick.objects.values_list("at"))
    failing = Erasure.objects.filter(failing_since__isnull=False)
    return DatabaseAnswer(
        unapplied=(),
        consumers=tuple(Consumer(*row) for row in _rows(query, consumers)),
        firing=tuple(_rows(query, firing.values_list("alert_class", "severity", Count("pk")))),
        outbox_pending=_count(query, unsent),
        outbox_since=oldest[0][0] if oldest else None,
        ticked_at=ticks[0][0] if ticks else None,
        erasures_failing=_count(query, failing),
    )


def _count(query: Query, asked: QuerySet[Any, Any]) -> int:
    rows = _rows(query, asked.order_by().values(all=Value(1)).annotate(n=Count("pk")).values_list("n"))
    return int(rows[0][0]) if rows else 0


def _rows(query: Query, asked: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """The rows of a `values_list`, over the probe's own connection."""
    return query(*asked.query.sql_with_params())


@cache
def _migrations() -> tuple[tuple[str, str], ...]:
    """(app, name) of each migration of this code."""
    return tuple(sorted(MigrationLoader(None).disk_migrations))


def ask_broker(config: Mapping[str, str | int | float | bool], deadline: float) -> None:
    """Raises AwayError where the broker gives no metadata before `deadline`."""
    try:
        _admin(tuple(sorted(config.items()))).list_topics(timeout=max(0.1, deadline - time.monotonic()))
    except KafkaException as error:
        raise AwayError("does not answer") from error


@cache
def _admin(config: tuple[tuple[str, str | int | float | bool], ...]) -> AdminClient:
    """One client a process, so that probes open no connections: it comes back by itself, within a second."""
    quiet = logging.getLogger("telara.probes.broker")
    quiet.setLevel(logging.CRITICAL)  # the probe says that the broker is away, once
    own = (("reconnect.backoff.max.ms", 1000), ("socket.timeout.ms", 5000), ("client.id", "telara-health"))
    return AdminClient(dict(config + own), logger=quiet)


def ask_redis(url: str, deadline: float) -> None:
    """Raises AwayError where Redis gives no PONG before `deadline`."""
    left = max(0.1, deadline - time.monotonic())
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=left, socket_timeout=left, retry=Retry(NoBackoff(), 0)
        ) as client:
            client.ping()
    except redis.TimeoutError as error:
        raise AwayError("does not answer in time") from error
    except redis.RedisError as error:
        raise AwayError("does not answer") from error
