"""Whatever is asked of the API in whatever shape: no answer is a failure of ours, and each is what OpenAPI promises.

Schemathesis makes the requests of the description, fitting and misfitting ones; `TELARA_FUZZ_REQUESTS` says how many of
each kind an operation gets (`make fuzz`: many). Every request sees the same data: what it changed is taken back.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.contrib.auth.models import Permission
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, seed, settings
from rest_framework.views import APIView
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alerts.models import Channel, Incident, Mute, Route
from alerts.notify.incidents import incidents_update
from alerts.notify.sealing import seal
from devices.models import Device, Reading, User
from devices.tokens import token_make
from tests.alerts.test_rules_service import yaml
from tests.made import NOON, make_alert, make_partitions, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
REQUESTS = int(os.environ.get("TELARA_FUZZ_REQUESTS", "15"))
SCHEMA = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())
OF_ANY_TEXT = ("user_id", "rule_id")  # path parameters that cannot misfit
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _the_connection_of_the_test_stays_open() -> Iterator[None]:
    """As Django's own client has it: a request does not close what it did not open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def analyst() -> User:
    """Watches one wearer, and has every permission but to see them all, so that nothing is refused too early."""
    analyst = make_user("analyst", watches=(make_wearer(),))
    analyst.user_permissions.set(Permission.objects.exclude(codename="view_all_wearers"))
    return analyst


@pytest.fixture
def there(analyst: User) -> dict[str, Any]:
    """Path parameters of what is there."""
    wearer = User.objects.get(username="user_001")
    rule = make_rule(source=yaml("tachycardia-at-rest"))
    make_partitions(NOON)
    alert = make_alert(wearer, rule=rule)
    incidents_update(at=NOON)
    mute = Mute.objects.create(
        user=wearer, rules=[rule.rule_id], starts_at=NOON, ends_at=timezone.now() + timedelta(days=1), made_at=NOON
    )
    channel = Channel.objects.create(owner=analyst, name="phone", kind="webhook", shown="x", sealed_address=seal("x"))
    Route.objects.create(owner=analyst, channel=channel, wearer=wearer)
    Reading.objects.create(user=wearer, recorded_at=NOON, received_at=NOON, event_id=uuid4(), heart_rate=100.0)
    return {
        "user_id": wearer.username, "rule_id": rule.rule_id, "alert_id": str(alert.pk),
        "device_id": Device.objects.create(user=wearer, kind="ring").pk, "mute_id": mute.pk, "channel_id": channel.pk,
        "incident_id": str(Incident.objects.get().pk),
    }  # fmt: skip


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_is_too_strange(
    label: str, analyst: User, there: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(APIView, "throttle_classes", ())
    operation = OPERATIONS[label]
    made = token_make(user=analyst, at=timezone.now(), lifetime=timedelta(days=1))
    given_path = {each.name: there[each.name] for each in operation.path_parameters if each.name in there}
    answers: Counter[int] = Counter()

    def call(case: Case) -> None:
        with transaction.atomic():
            response = case.call(headers={"Authorization": f"Token {made.secret}"})
            transaction.set_rollback(True)
        answers[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    quick = settings(max_examples=REQUESTS, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    for path in (None, given_path) if given_path else (None,):
        seed(1)(quick(given(case=operation.as_strategy(path_parameters=path))(call)))()
        typed = {each.name for each in operation.path_parameters} - {*(path or ()), *OF_ANY_TEXT}
        if typed or operation.query or operation.body:
            misfitting = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, path_parameters=path)
            seed(1)(quick(given(case=misfitting)(call)))()
    assert answers.total() >= REQUESTS
