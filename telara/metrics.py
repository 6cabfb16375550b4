"""Prometheus: every metric name Telara has, in one table, and `/metrics`.

Nothing is counted in the web process. The consumers' counts come from their rows in `devices.PipelineStatus`, the rest
from the database and the look of `telara.health`: so any number of web processes give the same answer, no
PROMETHEUS_MULTIPROC_DIR is needed, and a scrape works while the database is away. Labels are services, consumers,
classes and severities; never a person or a device.
"""

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from telara.health import Look, lookout

Sample = tuple[tuple[str, ...], float]  # values of the labels, value


class Name(NamedTuple):
    """One metric: what Prometheus calls it (a counter gets `_total`), and how a look gives its samples."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...]
    samples: Callable[[Look], Iterable[Sample]]


def _services(seen: Look) -> Iterator[Sample]:
    for service in ("database", "broker", "redis", "migrations"):
        unknown = service == "migrations" and "database" in seen.errors
        yield (service,), float(service not in seen.errors and not unknown)


def _of_each_consumer(attribute: str) -> Callable[[Look], Iterator[Sample]]:
    def samples(seen: Look) -> Iterator[Sample]:
        for row in seen.consumers:
            if (value := getattr(row, attribute)) is not None:
                yield (row.consumer,), float(value if isinstance(value, int | float) else value.timestamp())

    return samples


def _firing(seen: Look) -> Iterator[Sample]:
    for alert_class, severity, alerts in seen.database.firing if seen.database else ():
        yield (alert_class, severity), float(alerts)


def _worker(seen: Look) -> Iterator[Sample]:
    if seen.database and seen.database.ticked_at:
        yield (), seen.database.ticked_at.timestamp()


def _erasures_failing(seen: Look) -> Iterator[Sample]:
    if seen.database:
        yield (), float(seen.database.erasures_failing)


def _outbox_pending(seen: Look) -> Iterator[Sample]:
    if seen.database:
        yield (), float(seen.database.outbox_pending)


def _outbox_age(seen: Look) -> Iterator[Sample]:
    if seen.database:
        since = seen.database.outbox_since
        yield (), max(0.0, (seen.at - since).total_seconds()) if since else 0.0


CONSUMER = ("consumer",)
NAMES = (
    Name("telara_service_up", "gauge", "1 where the service answers.", ("service",), _services),
    Name("telara_consumers", "gauge", "Consumers that live.", (), lambda seen: [((), float(len(seen.consumers)))]),
    Name("telara_lag_messages", "gauge", "Messages not consumed yet.", CONSUMER, _of_each_consumer("lag")),
    Name("telara_events_per_second", "gauge", "Rate now.", CONSUMER, _of_each_consumer("events_per_second")),
    Name(
        "telara_delay_p99_seconds",
        "gauge",
        "Receipt to commit, 99th percentile of the last minute.",
        CONSUMER,
        _of_each_consumer("delay_p99_s"),
    ),
    Name("telara_evaluated_timestamp_seconds", "gauge", "Rules ran last.", CONSUMER, _of_each_consumer("evaluated_at")),
    Name("telara_consumer_started_timestamp_seconds", "gauge", "Start.", CONSUMER, _of_each_consumer("started_at")),
    Name("telara_readings_stored", "counter", "Since the consumer's start.", CONSUMER, _of_each_consumer("stored")),
    Name("telara_readings_duplicate", "counter", "Stored already.", CONSUMER, _of_each_consumer("duplicates")),
    Name("telara_messages_quarantined", "counter", "Refused, and kept.", CONSUMER, _of_each_consumer("quarantined")),
    Name("telara_alerts_firing", "gauge", "Alerts that fire now.", ("class", "severity"), _firing),
    Name("telara_worker_ticked_timestamp_seconds", "gauge", "The background worker worked last.", (), _worker),
    Name("telara_erasures_failing", "gauge", "People whose erasure could not go on.", (), _erasures_failing),
    Name("telara_outbox_pending", "gauge", "Alert changes not published yet.", (), _outbox_pending),
    Name("telara_outbox_oldest_age_seconds", "gauge", "Age of the oldest of them.", (), _outbox_age),
)


class LookCollector(Collector):
    """The samples of one look, as prometheus-client wants them."""

    def __init__(self, seen: Look) -> None:
        self.seen = seen

    def collect(self) -> Iterator[Metric]:
        for name in NAMES:
            family = GaugeMetricFamily if name.kind == "gauge" else CounterMetricFamily
            metric = family(name.name, name.help, labels=name.labels)
            for labels, value in name.samples(self.seen):
                metric.add_metric(labels, value)
            yield metric


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text; 403 to whom it is not meant for (see `may_scrape`)."""
    if not may_scrape(request, token=settings.TELARA_METRICS_TOKEN):
        return HttpResponse("Metrics are for this machine, or for who has TELARA_METRICS_TOKEN.\n", status=403)
    registry = CollectorRegistry()
    registry.register(LookCollector(lookout.look()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def may_scrape(request: HttpRequest, *, token: str) -> bool:
    """With a token set: who sends it (`Authorization: Bearer ...`). Without: this machine, and not through a proxy."""
    if token:
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
    if any(header in request.headers for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded")):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
