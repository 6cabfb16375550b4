"""What Prometheus gets, and who may ask."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from prometheus_client.parser import text_string_to_metric_families

from devices.erasures import erasure_ask, erasures_tried
from devices.metrics import METRICS
from devices.models import PipelineStatus
from telara import health, metrics
from telara.health import Look
from telara.metrics import NAMES, may_scrape
from tests.made import make_user

PROXIED = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Scrapes, and gives the samples by name."""
    monkeypatch.setattr(metrics, "lookout", health.Lookout(lasts_s=0))

    def scrape() -> dict[str, Any]:
        answer = Client().get("/metrics")
        assert answer.status_code == 200
        return {family.name: family for family in text_string_to_metric_families(answer.content.decode())}

    return scrape


@pytest.mark.django_db(transaction=True)
def test_a_scrape_holds_the_consumers_counts(families: Any) -> None:
    now = datetime.now(UTC)
    for name, age in (("one", 0), ("gone", 60)):
        PipelineStatus.objects.create(
            consumer=name, updated_at=now - timedelta(seconds=age), started_at=now, lag=5, stored=100, quarantined=2
        )
    erasure = erasure_ask(user=make_user("gone"), at=now, grace=timedelta())
    erasures_tried(broken={erasure.pk: "ValueError"}, well=(), at=now)
    found = families()
    assert found["telara_erasures_failing"].samples[0].value == 1
    assert [(s.labels, s.value) for s in found["telara_readings_stored"].samples] == [({"consumer": "one"}, 100.0)]
    assert [s.name for s in found["telara_messages_quarantined"].samples] == ["telara_messages_quarantined_total"]
    assert found["telara_lag_messages"].samples[0].value == 5
    assert found["telara_consumers"].samples[0].value == 1
    assert {s.labels["service"]: s.value for s in found["telara_service_up"].samples} == {
        "database": 1.0,
        "broker": 1.0,
        "redis": 1.0,
        "migrations": 1.0,
    }
    assert {*found} == {name.name for name in NAMES}


def test_a_scrape_works_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def look(self) -> Look:
            return Look(at=datetime.now(UTC), errors={"database": "does not answer"}, took_s={}, database=None)

    monkeypatch.setattr(metrics, "lookout", Away())
    text = Client().get("/metrics").content.decode()
    assert 'telara_service_up{service="database"} 0.0' in text
    assert 'telara_service_up{service="migrations"} 0.0' in text
    assert 'telara_service_up{service="redis"} 1.0' in text


def test_no_name_and_no_label_is_of_a_person() -> None:
    labels = {label for name in NAMES for label in name.labels}
    assert labels == {"service", "consumer", "class", "severity"}
    assert not [name.name for name in NAMES for metric in METRICS if metric in name.name]


@pytest.mark.parametrize(
    ("peer", "headers", "allowed"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.7", {}, False),
        ("", {}, False),
        ("127.0.0.1", PROXIED, False),
    ],
)
def test_without_a_token_only_this_machine_may_ask(peer: str, headers: dict[str, str], allowed: bool) -> None:
    request = RequestFactory().get("/metrics", headers=headers, REMOTE_ADDR=peer)
    assert may_scrape(request, token="") is allowed


@pytest.mark.parametrize(
    ("sent", "allowed"), [("Bearer s3cret", True), ("Bearer wrong", False), ("", False), ("Bearer é", False)]
)
def test_with_a_token_everybody_needs_it(sent: str, allowed: bool) -> None:
    request = RequestFactory().get("/metrics", HTTP_AUTHORIZATION=sent, REMOTE_ADDR="127.0.0.1")
    assert may_scrape(request, token="s3cret") is allowed


def test_a_stranger_gets_403(settings: Any) -> None:
    settings.TELARA_METRICS_TOKEN = "s3cret"
    assert Client().get("/metrics").status_code == 403
