"""Error pages: in the look of the site, and there also when the database is not."""

import pytest
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse

from devices.models import User
from tests.dashboard.pages import Visit


def test_what_broke_is_said_without_the_database() -> None:
    """No `db` fixture: pytest-django refuses every query."""
    response = get_resolver().resolve_error_handler(500)(RequestFactory().get("/alerts/"))
    assert response.status_code == 500
    assert "Something went wrong here" in response.content.decode()


def test_a_refused_request_is_said_without_the_database() -> None:
    response = get_resolver().resolve_error_handler(400)(RequestFactory().get("/alerts/"), ValueError("x"))
    assert response.status_code == 400
    assert "refused" in response.content.decode()


@pytest.mark.django_db
def test_a_page_that_does_not_exist_leads_on(visit: Visit, analyst: User) -> None:
    for client in (Client(), visit(analyst)):
        response = client.get("/nowhere/<b>")
        assert response.status_code == 404
        assert "No page has this address" in response.text
        assert f'href="{reverse("alerts")}"' in response.text
        assert "<b>&" not in response.text


@pytest.mark.django_db
def test_what_was_typed_is_never_markup(visit: Visit, analyst: User) -> None:
    assert "<script>x" not in visit(analyst).get("/alerts/?view=<script>x").text
