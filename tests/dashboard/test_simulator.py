"""The simulator's page, by persona."""

import pytest
from django.test import Client

from devices.models import Simulation
from tests.dashboard.pages import described
from tests.made import make_user, make_wearer

pytestmark = pytest.mark.django_db
INJECT = {
    "form": "inject", "inject-user_id": "user_003", "inject-anomaly": "tachycardia_at_rest", "inject-bad_data": "0.1",
}  # fmt: skip
START = {"form": "start", "start-wearers": "5", "start-hertz": "1", "start-seed": "1", "start-bad_data": "0"}


@pytest.fixture
def simulant(client: Client) -> Client:
    client.force_login(make_user("analyst", "run_simulator"))
    return client


def test_it_asks_a_stranger_to_sign_in(client: Client) -> None:
    assert client.get("/simulator/").headers["Location"].startswith("/login/")


def test_it_is_forbidden_without_the_permission(client: Client) -> None:
    client.force_login(make_wearer())
    assert client.get("/simulator/").status_code == 403
    assert client.post("/simulator/", INJECT).status_code == 403
    assert Simulation.objects.count() == 0


def test_it_injects_an_anomaly_at_two_readings_a_second(simulant: Client) -> None:
    assert simulant.post("/simulator/", INJECT).status_code == 302
    run = Simulation.objects.get()
    assert (run.wearer_id, run.anomaly, run.hertz, run.state) == ("user_003", "tachycardia_at_rest", 2.0, "requested")
    assert run.bad_data == 0.1
    assert run.requested_by is not None
    page = simulant.get("/simulator/")
    assert b"tachycardia_at_rest" in page.content
    assert page.context["simulated"] == ["user_003"]


def test_it_starts_people_until_stopped(simulant: Client) -> None:
    simulant.post("/simulator/", START)
    run = Simulation.objects.get()
    assert (run.wearers, run.duration_s, run.repeat_s) == (5, None, None)
    assert simulant.post(f"/simulator/{run.pk}/stop/").status_code == 302
    run.refresh_from_db()
    assert (run.state, run.reason) == ("stopped", "asked")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start-wearers", "0"),
        ("start-wearers", "many"),
        ("start-hertz", "-1"),
        ("start-bad_data", "2"),
        ("start-bad_data", "nan"),
        ("start-repeat_s", "10"),
    ],
)
def test_it_says_what_cannot_be(simulant: Client, field: str, value: str) -> None:
    page = simulant.post("/simulator/", START | {field: value})
    assert page.status_code == 400
    assert b'class="error"' in page.content or b"must end before it begins again" in page.content
    says = described(page.content.decode())
    assert field == "start-repeat_s" or says[f"id_{field}_error"]
    assert Simulation.objects.count() == 0


def test_it_sends_nothing_in_the_name_of_a_real_person_and_says_the_way_out(simulant: Client) -> None:
    make_wearer("user_003")
    for form in (INJECT, START):
        page = simulant.post("/simulator/", form)
        assert page.status_code == 400
        assert "never came from the simulator" in page.text
        assert "Take another user id, or fewer people" in page.text
    assert Simulation.objects.count() == 0


def test_it_knows_its_forms_and_its_runs(simulant: Client) -> None:
    assert simulant.post("/simulator/", {"form": "other"}).status_code == 400
    assert simulant.post("/simulator/999/stop/").status_code == 404


def test_htmx_gets_the_runs_alone(simulant: Client) -> None:
    page = simulant.get("/simulator/", headers={"HX-Request": "true"})
    assert b"<html" not in page.content
    assert b"Nothing was simulated yet" in page.content
