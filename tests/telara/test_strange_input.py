"""Addresses and forms of the pages filled with what nobody should write there: refused or ignored, never a failure of
ours. (The API is asked by `tests/api/test_fuzz.py`.)"""

from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from alerts.models import Alert
from tests.alerts.test_rules_service import yaml
from tests.made import make_alert, make_rule, make_user, make_wearer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EARLIEST, LATEST = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
STRANGE = (
    "\x00", "a\x00b", "9" * 400, "-1", "0", "1e999", "NaN", EARLIEST, LATEST, f"{EARLIEST}_{uuid4()}",
    f"{LATEST}_{uuid4()}", "2026-03-01", "\u202e\U0001f4a9", "%", "' OR 1=1 --", "<script>", "a" * 5000, "[]", "null",
    "9999999999_1_a", "000001" + "9" * 20, "\n", "١٢",
)  # fmt: skip
WORST = ("\x00", "9" * 90, f"{EARLIEST}_{uuid4()}", LATEST, "000001" + "9" * 20, "' OR 1=1 --")
PARAMETERS = {
    "/": ("range", "view"),
    "/overview/parts/": ("range", "view"),
    "/wearers/": ("q", "show", "group", "kind", "sort", "rows", "after", "before"),
    "/wearers/user_001/": ("until", "range", "compare"),
    "/wearers/user_001/export/profile.csv": ("units",),
    "/alerts/": ("q", "view", "episode", "severity", "class", "wearer", "rule", "who", "before"),
    "/alerts/known/": ("user_id",),
    "/rules/": ("new", "q"),
    "/rules/tachycardia-at-rest/": ("from", "to"),
    "/rules-backtest/progress/": ("run",),
    "/simulator/": ("q",),
    "/pipeline/": ("range", "reason", "topic", "since", "until", "before", "message"),
    "/devices/": ("q", "kind", "show", "sort", "rows", "after", "before"),
    "/notifications/": ("q",),
    "/login/": ("next",),
    "/login/reset/": ("link",),
    "/settings/security/confirm/": ("next",),
    "/admin/": ("q",),
    "/admin/alerts/alert/": ("q", "severity", "p", "o", "opened_at__gte"),
    "/admin/devices/user/": ("q", "is_wearer__exact", "e"),
    "/admin/devices/reading/": ("person", "since_0", "since_1", "until_0", "until_1", "cursor"),
}
FIELDS = (
    "minutes", "note", "reason", "revision", "next", "form", "source", "based_on", "days", "rule_id", "enabled", "run",
    "username", "password", "start-wearers", "start-rate", "inject-wearer", "inject-anomaly", "wearer",
    "message", "rules", "from", "until", "why", "alert", "all", "query", "to", "at", "name",
    "as_of", "user_id", "kind", "external_id", "display_name", "time_zone", "code", "credential", "email", "columns",
)  # fmt: skip


@pytest.fixture
def alert() -> Alert:
    return make_alert(make_wearer(), rule=make_rule("tachycardia-at-rest", source=yaml("tachycardia-at-rest")))


@pytest.fixture
def client(alert: Alert) -> Client:
    """Of somebody who may do everything and whom the admin lets in."""
    client = Client(raise_request_exception=False)
    permissions = ("view_all_wearers", "run_simulator", "change_rule")
    client.force_login(make_user("boss", *permissions, is_staff=True, is_superuser=True))
    return client


def answer(client: Client, method: str, path: str, given: dict[str, Any]) -> int:
    with transaction.atomic():
        status = getattr(client, method)(path, given).status_code
        transaction.set_rollback(True)
    return status


@pytest.mark.parametrize("page", PARAMETERS)
def test_no_address_is_too_strange(page: str, client: Client, alert: Alert) -> None:
    every = [dict.fromkeys(PARAMETERS[page], value) for value in STRANGE]
    each = [{name: value} for name in PARAMETERS[page] for value in WORST]
    assert not [given for given in every + each if answer(client, "get", page, given) >= 500]


@pytest.mark.parametrize(
    "page",
    [*(f"/triage/ALERT/{action}/" for action in ("acknowledge", "snooze", "close", "reopen", "comment", "undo")),
     *(f"/triage/bulk/{action}/" for action in ("acknowledge", "snooze", "close", "assign", "undo")),
     "/wearers/user_001/mutes/", "/alerts/views/",
     "/triage/technical/snooze/", "/rules/", "/rules/tachycardia-at-rest/", "/rules/tachycardia-at-rest/switch/",
     "/rules/tachycardia-at-rest/compare/", "/rules-lint/", "/rules-backtest/", "/simulator/", "/pipeline/again/",
     "/login/", "/login/forgot/", "/settings/security/confirm/",
     "/settings/", "/settings/devices/", "/settings/tokens/"],
)  # fmt: skip
def test_no_form_is_too_strange(page: str, client: Client, alert: Alert) -> None:
    path, good = page.replace("ALERT", str(alert.pk)), {"reason": "benign", "minutes": "5", "note": "seen"}
    every = [dict.fromkeys(FIELDS, value) for value in STRANGE]
    each = [good | {name: value} for name in FIELDS[:5] for value in WORST]
    assert not [given for given in every + each if answer(client, "post", path, given) >= 500]
