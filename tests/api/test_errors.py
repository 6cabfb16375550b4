"""Every error has one shape, whatever went wrong and whoever noticed."""

import pytest
from django.db import OperationalError
from django.test import Client
from rest_framework.test import APIClient

from devices.models import User

pytestmark = pytest.mark.django_db


def error(response, status: int) -> dict:
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/json")
    body = response.json()
    assert list(body) == ["error"]
    assert sorted(body["error"]) == ["code", "fields", "message"]
    assert body["error"]["message"]
    return body["error"]


def test_nobody_gets_in_without_a_token(call) -> None:
    response = call(None).get("/api/v1/alerts/")
    assert error(response, 401)["code"] == "not_authenticated"
    assert response["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("header", ["Token wrong", "Token", "Token a b", "Token \xff\xfe"])
def test_a_bad_token_is_told_so(header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    assert error(client.get("/api/v1/alerts/"), 401)["code"] == "authentication_failed"


@pytest.mark.parametrize(
    "path", ["/api/nothing/", "/api/", "/api/v1/", "/api/v2/alerts/", "/api/v1/alerts/not-a-uuid/", "/api/a%0Ab/"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_address_that_is_not_there_is_a_404_also_for_those_without_a_token(path: str, method: str) -> None:
    assert error(getattr(Client(enforce_csrf_checks=True), method)(path), 404)["code"] == "not_found"


def test_a_forgotten_slash_is_put_there_for_reading_and_named_for_writing(call, wearer: User) -> None:
    response = call(wearer).get("/api/v1/alerts?severity=HIGH")
    assert (response.status_code, response["Location"]) == (302, "/api/v1/alerts/?severity=HIGH")
    assert "slash" in error(call(wearer).post("/api/v1/readings", {}, format="json"), 404)["message"]


def test_a_method_that_is_not_there(call, wearer: User) -> None:
    assert error(call(wearer).delete("/api/v1/alerts/"), 405)["code"] == "method_not_allowed"


def test_what_may_be_asked_of_an_address_is_told_and_nothing_of_bodies(call, lead: User) -> None:
    """DRF would name the fields of the answer for those of the body; OpenAPI has them."""
    response = call(lead).options("/api/v1/devices/")
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert sorted(response.json()) == ["description", "name", "parses", "renders"]


def test_a_body_that_is_not_json(call, lead: User) -> None:
    client = call(lead)
    for body in ('{"source": ', "[" * 100_000, '{"source": NaN}', b"\xff\xfe"):
        response = client.post("/api/v1/rules/", body, content_type="application/json")
        assert error(response, 413 if len(body) > 65_536 else 400)["code"] in {"malformed_json", "too_large"}
    response = client.post("/api/v1/rules/", "[" * 60_000, content_type="application/json")
    assert error(response, 400)["code"] == "malformed_json"


def test_a_body_of_another_kind(call, lead: User) -> None:
    response = call(lead).post("/api/v1/rules/", "a=b", content_type="application/x-www-form-urlencoded")
    assert error(response, 415)["code"] == "unsupported_media_type"


def test_a_body_that_is_too_large(call, lead: User) -> None:
    response = call(lead).post("/api/v1/rules/", '"' + "x" * 70_000 + '"', content_type="application/json")
    assert error(response, 413)["code"] == "too_large"


def test_a_body_that_is_no_object(call, lead: User) -> None:
    for body in ("[1, 2]", "5", '"x"', "null"):
        response = call(lead).post("/api/v1/rules/", body, content_type="application/json")
        assert "non_field_errors" in error(response, 400)["fields"]


def test_fields_are_named(call, lead: User) -> None:
    fields = error(call(lead).post("/api/v1/auth/token/", {"username": ""}, format="json"), 400)["fields"]
    assert sorted(fields) == ["password", "username"]


@pytest.mark.parametrize(
    "query",
    [
        "severity=WORST", "since=yesterday", "since=2026-03-01T12:00:00", "until=0001-01-01T00:00:00%2B14:00",
        "limit=0", "limit=1001", "limit=abc", f"limit={'9' * 5000}", "cursor=x", "cursor=WyJhIl0", "search=%00",
        "user_id=" + "x" * 65, "quiet=perhaps",
    ],
)  # fmt: skip
def test_a_query_that_does_not_fit_names_what_is_wrong(call, wearer: User, query: str) -> None:
    assert list(error(call(wearer).get(f"/api/v1/alerts/?{query}"), 400)["fields"]) == [query.split("=", maxsplit=1)[0]]


def test_too_many_calls_are_told_when_to_come_back(call, wearer: User) -> None:
    client = APIClient()
    for _ in range(10):
        client.post("/api/v1/auth/token/", {"username": "x", "password": "y"}, format="json")
    response = client.post("/api/v1/auth/token/", {"username": "x", "password": "y"}, format="json")
    assert error(response, 429)["code"] == "throttled"
    assert 0 < int(response["Retry-After"]) <= 60


def test_an_address_made_up_by_the_caller_does_not_escape_the_throttle() -> None:
    client = APIClient()
    for number in range(11):
        response = client.post(
            "/api/v1/auth/token/",
            {"username": "x", "password": "y"},
            format="json",
            HTTP_X_FORWARDED_FOR=f"10.0.0.{number}",
        )
    assert response.status_code == 429


def test_a_database_that_is_away_is_a_503(call, wearer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    client = call(wearer)
    monkeypatch.setattr("alerts.api.alerts_newest", away)
    response = client.get("/api/v1/alerts/")
    assert error(response, 503)["code"] == "unavailable"
    assert response["Retry-After"] == "5"


def test_a_bug_is_a_500_in_the_same_shape(call, wearer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    client = call(wearer)
    monkeypatch.setattr("alerts.api.alerts_newest", bug)
    assert error(client.get("/api/v1/alerts/"), 500)["code"] == "server_error"
