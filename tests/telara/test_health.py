"""How Telara says how it is, with the services there, gone, and hanging."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from structlog.testing import capture_logs

from alerts.models import OutboxEntry
from devices.background import tick_write
from devices.models import PipelineStatus
from telara import health, probes
from tests.telara.proxy import Proxy

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def lookout(monkeypatch: pytest.MonkeyPatch) -> health.Lookout:
    """One that looks anew each time."""
    fresh = health.Lookout(lasts_s=0)
    monkeypatch.setattr(health, "lookout", fresh)
    return fresh


def get(path: str) -> tuple[int, dict[str, Any]]:
    answer = Client().get(path)
    return answer.status_code, answer.json()


def status_row(name: str, *, age_s: float = 1, **figures: Any) -> PipelineStatus:
    now = datetime.now(UTC)
    row = {"updated_at": now - timedelta(seconds=age_s), "started_at": now - timedelta(hours=1)}
    return PipelineStatus.objects.create(consumer=name, **row, **figures)


@pytest.fixture
def database(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The test's database behind a proxy, for the probe alone: the test itself keeps its own connection."""
    params = connections["default"].get_connection_params()
    host, port = str(params.get("host") or "127.0.0.1"), int(params.get("port") or 5432)
    with Proxy(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else host, port) as proxy:
        through = params | {"host": "127.0.0.1", "port": proxy.port}
        monkeypatch.setattr(type(connections["default"]), "get_connection_params", lambda _: dict(through))
        yield proxy


@pytest.fixture
def broker(settings: Any) -> Iterator[Proxy]:
    host, port = settings.KAFKA["bootstrap.servers"].split(",")[0].rsplit(":", 1)
    with Proxy(host, int(port)) as proxy:
        settings.KAFKA = settings.KAFKA | {"bootstrap.servers": f"127.0.0.1:{proxy.port}"}
        yield proxy


@pytest.fixture
def redis(settings: Any) -> Iterator[Proxy]:
    url = urlsplit(settings.REDIS_URL)
    with Proxy(url.hostname or "127.0.0.1", url.port or 6379) as proxy:
        settings.REDIS_URL = urlunsplit(url._replace(netloc=f":{url.password or ''}@127.0.0.1:{proxy.port}"))
        yield proxy


def test_it_is_ready_when_everything_answers() -> None:
    status, body = get("/health/ready")
    assert (status, body["status"], body["culprits"]) == (200, "ok", [])
    assert set(body["checks"]) == {"database", "migrations", "broker", "redis"}
    assert all(check["ok"] for check in body["checks"].values())


@pytest.mark.parametrize("fault", ["cut", "hang"])
@pytest.mark.parametrize("service", ["database", "redis"])
def test_a_service_that_is_gone_or_hangs_is_named_in_time(
    request: pytest.FixtureRequest, service: str, fault: str
) -> None:
    proxy: Proxy = request.getfixturevalue(service)
    getattr(proxy, fault)()
    status, body = get("/health/ready")
    assert (status, body["status"], body["culprits"]) == (503, "unavailable", [service])
    assert str(proxy.port) not in json.dumps(body)
    proxy.heal()
    assert get("/health/ready")[0] == 200


def test_a_broker_that_nobody_runs_is_named_in_time(settings: Any) -> None:
    with Proxy("127.0.0.1", 1) as nobody:
        settings.KAFKA = {"bootstrap.servers": f"127.0.0.1:{nobody.port}"}
    status, body = get("/health/ready")
    assert (status, body["culprits"]) == (503, ["broker"])


def test_a_broker_that_hangs_is_named_in_time(broker: Proxy) -> None:
    broker.hang()
    status, body = get("/health/ready")
    assert (status, body["culprits"]) == (503, ["broker"])


def test_it_names_all_that_are_gone(database: Proxy, redis: Proxy) -> None:
    database.cut()
    redis.cut()
    _, body = get("/health")
    assert body["culprits"] == ["database", "redis"]
    assert "pipeline" not in body


def test_it_lives_whatever_is_gone_and_asks_nobody(database: Proxy, broker: Proxy, redis: Proxy) -> None:
    proxies = (database, broker, redis)
    for proxy in proxies:
        proxy.hang()
    assert get("/health/live") == (200, {"status": "ok"})
    assert [proxy.accepted for proxy in proxies] == [0, 0, 0]


def test_a_missing_migration_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_migrations", lambda: (("devices", "9999_tomorrow"),))
    status, body = get("/health/ready")
    assert (status, body["culprits"]) == (503, ["migrations"])
    assert body["checks"]["migrations"]["error"] == "not applied: devices.9999_tomorrow"
    assert body["checks"]["database"]["ok"]


def test_health_tells_lag_and_ages_of_those_that_live() -> None:
    status_row("one", lag=5, events_per_second=40.0, delay_p99_s=0.2, stored=100, duplicates=2, quarantined=1)
    status_row("two", lag=7, events_per_second=2.5)
    status_row("gone", age_s=60, lag=1000)
    OutboxEntry.objects.create(alert_id="8b1c1d9e-0000-4000-8000-000000000001", revision=1, key="u1", payload={})
    tick_write(at=datetime.now(UTC))
    status, body = get("/health")
    assert (status, body["status"]) == (200, "ok")
    assert 0 <= body["worker"]["age_s"] < 5
    assert body["pipeline"] == {"consumers": 2, "lag": 12, "events_per_second": 42.5}
    one, two = body["consumers"]
    assert (one["consumer"], one["lag"], one["stored"], one["duplicates"], one["quarantined"]) == ("one", 5, 100, 2, 1)
    assert 1.0 <= one["age_s"] < 5
    assert (two["delay_p99_s"], two["evaluated_age_s"]) == (None, None)
    assert body["outbox"]["pending"] == 1
    assert 0 <= body["outbox"]["oldest_age_s"] < 5


def test_it_is_degraded_but_ready_without_a_consumer_or_a_background_worker() -> None:
    status, body = get("/health")
    assert (status, body["status"], body["culprits"]) == (200, "degraded", ["consumer", "worker"])
    assert body["worker"] == {"age_s": None}
    assert get("/health/ready")[1]["status"] == "ok"
    status_row("one")
    tick_write(at=datetime.now(UTC) - timedelta(seconds=40))
    assert get("/health")[1]["culprits"] == ["worker"]


def test_who_will_have_spoken_in_an_hour_by_a_clock_that_was_set_back_is_not_there() -> None:
    status_row("one", age_s=-3600)
    tick_write(at=datetime.now(UTC) + timedelta(hours=1))
    assert get("/health")[1]["culprits"] == ["consumer", "worker"]


def test_one_look_serves_a_crowd(database: Proxy, lookout: health.Lookout) -> None:
    lookout.lasts_s = 60
    crowd = [threading.Thread(target=lookout.look) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert database.accepted == 1


def test_a_service_that_hangs_is_not_asked_twice_at_once(redis: Proxy, lookout: health.Lookout) -> None:
    redis.hang()
    lookout.patience_s = 0.3
    before = threading.active_count()
    for _ in range(5):
        lookout.look()
    assert threading.active_count() - before <= 3 + redis.accepted


def test_it_says_once_that_a_service_went_and_once_that_it_came_back(redis: Proxy, lookout: health.Lookout) -> None:
    with capture_logs() as lines:
        lookout.look()
        redis.cut()
        lookout.look()
        lookout.look()
        redis.heal()
        lookout.look()
    assert [(line["event"], line["service"]) for line in lines if line["service"] == "redis"] == [
        ("service is away", "redis"),
        ("service is back", "redis"),
    ]


def test_no_answer_holds_an_address_or_a_password(database: Proxy) -> None:
    database.cut()
    text = Client().get("/health").content.decode()
    for secret in (settings.DATABASES["default"].get("PASSWORD") or "telara@", str(database.port), "127.0.0.1"):
        assert secret not in text
