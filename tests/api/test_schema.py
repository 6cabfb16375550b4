"""OpenAPI, and the page that shows it."""

import json
import re

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.mark.django_db
def test_the_schema_validates_without_a_warning(tmp_path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


@pytest.mark.django_db
def test_the_schema_names_every_address_of_the_contract() -> None:
    response = Client().get("/api/schema/?format=json")
    paths = set(json.loads(response.content)["paths"])
    assert paths >= {
        f"/api/v1/{name}/"
        for name in (
            "auth/token",
            "readings",
            "wearers",
            "devices",
            "alerts",
            "rules",
            "rules/backtest",
            "summaries",
            "windows",
            "simulations",
            "pipeline",
            "mutes",
            "incidents",
            "notifications/channels",
            "notifications/routes",
            "notifications/deliveries",
        )
    }
    actions = ("acknowledge", "snooze", "close", "reopen", "comment", "assign")
    assert paths >= {f"/api/v1/alerts/{{alert_id}}/{action}/" for action in actions}


@pytest.mark.django_db
def test_the_docs_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    response = Client().get("/api/docs/")
    page = response.content.decode()
    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"].split("; ")
    assert "<script>" not in page
    assert "//cdn" not in page


@pytest.mark.django_db
def test_the_docs_page_lists_every_operation_and_each_of_its_links_leads_somewhere() -> None:
    page = Client().get("/api/docs/").content.decode()
    document = json.loads(Client().get("/api/schema/?format=json").content)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r' href="#([^"]+)"', page)) <= {*ids, "main"}
    operations = {
        each["operationId"].replace("_", "-") for path in document["paths"].values() for each in path.values()
    }
    assert operations <= set(ids)


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["a%0Ab", "%22;x=", "2"])
def test_a_version_that_is_made_up_is_none_of_the_schema(version: str) -> None:
    response = Client(raise_request_exception=False).get(f"/api/schema/?format=json&version={version}")
    assert json.loads(response.content)["info"]["version"] == "1"
    assert response["Content-Disposition"] == 'inline; filename="Telara.json"'


@pytest.mark.django_db
def test_an_event_may_hold_null_wherever_it_may_hold_nothing() -> None:
    document = json.loads(Client().get("/api/schema/?format=json").content)
    event = document["components"]["schemas"]["EventSchemaRequest"]
    nullable = {name for name, field in event["properties"].items() if field.get("nullable")}
    assert nullable == event["properties"].keys() - set(event["required"])
