"""Rules by API: all may read, with the permission one writes."""

import pytest

from alerts.models import Rule
from devices.models import User
from tests.alerts.test_rules_service import yaml
from tests.api.test_errors import error

pytestmark = pytest.mark.django_db


def write(client, source: str, path: str = "/api/v1/rules/", method: str = "post"):
    return getattr(client, method)(path, {"source": source}, format="json")


def test_a_rule_is_added_changed_disabled_and_enabled(call, lead: User) -> None:
    client = call(lead)
    assert write(client, yaml()).status_code == 201
    body = write(client, yaml(limit=45), "/api/v1/rules/bradycardia/", "put").json()
    assert [(v["number"], v["made_by"]) for v in body["versions"]] == [(1, "lead"), (2, "lead")]
    assert client.post("/api/v1/rules/bradycardia/disable/", {"note": "loud"}, format="json").json()["enabled"] is False
    assert client.post("/api/v1/rules/bradycardia/enable/", {}, format="json").json()["enabled"] is True
    (rule,) = client.get("/api/v1/rules/").json()["results"]
    assert (rule["rule_id"], rule["version"]["number"]) == ("bradycardia", 3)


def test_a_text_that_is_no_rule_is_told_where(call, lead: User) -> None:
    problems = error(write(call(lead), yaml().replace("heart_rate", "pulse")), 400)["fields"]["source"]
    assert (problems[0]["line"], problems[0]["column"]) == (6, 7)
    assert "pulse" in problems[0]["message"]


def test_a_rule_keeps_its_id(call, lead: User) -> None:
    client = call(lead)
    write(client, yaml())
    assert error(write(client, yaml("other"), "/api/v1/rules/bradycardia/", "put"), 400)["fields"]["source"]
    assert error(write(client, yaml(), "/api/v1/rules/other/", "put"), 404)["code"] == "not_found"


@pytest.mark.parametrize("who", ["wearer", "analyst", "stranger", "staff"])
def test_others_only_read(call, request: pytest.FixtureRequest, lead: User, who: str) -> None:
    write(call(lead), yaml())
    client = call(request.getfixturevalue(who))
    assert client.get("/api/v1/rules/bradycardia/").json()["rule_id"] == "bradycardia"
    responses = [
        write(client, yaml("other")),
        write(client, yaml(limit=45), "/api/v1/rules/bradycardia/", "put"),
        client.post("/api/v1/rules/bradycardia/disable/", {}, format="json"),
        client.post("/api/v1/rules/bradycardia/enable/", {}, format="json"),
    ]
    assert [error(response, 403)["code"] for response in responses] == ["not_allowed"] * 4
    assert Rule.objects.get().versions.count() == 1


def test_a_list_of_rules_takes_no_query_a_row(call, lead: User, django_assert_max_num_queries) -> None:
    client = call(lead)
    for number in range(20):
        write(client, yaml(f"rule-{number}"))
    with django_assert_max_num_queries(4):
        assert len(client.get("/api/v1/rules/").json()["results"]) == 20


def test_the_list_of_rules_comes_in_pages_by_id(call, lead: User) -> None:
    client = call(lead)
    for name in ("beta", "alpha", "gamma"):
        write(client, yaml(name))
    first = client.get("/api/v1/rules/?limit=2").json()
    assert [rule["rule_id"] for rule in first["results"]] == ["alpha", "beta"]
    last = client.get(first["next"]).json()
    assert ([rule["rule_id"] for rule in last["results"]], last["next"]) == (["gamma"], None)
