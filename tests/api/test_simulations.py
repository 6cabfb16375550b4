"""Simulations by API."""

import pytest

from devices.models import Simulation, User
from tests.api.test_errors import error
from tests.made import make_user

pytestmark = pytest.mark.django_db
PATH = "/api/v1/simulations/"


@pytest.fixture
def player(db: None) -> User:
    return make_user("player", "run_simulator")


def test_a_simulation_is_started_seen_and_stopped(call, player: User) -> None:
    client = call(player)
    made = client.post(PATH, {"user_id": "user_003", "anomaly": "tachycardia_at_rest", "hertz": 2}, format="json")
    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["user_id"], body["requested_by"]) == ("requested", "user_003", "player")
    assert [row["id"] for row in client.get(PATH).json()["results"]] == [body["id"]]
    assert client.get(f"{PATH}{body['id']}/").json()["anomaly"] == "tachycardia_at_rest"
    stopped = client.post(f"{PATH}{body['id']}/stop/").json()
    assert (stopped["state"], stopped["reason"]) == ("stopped", "asked")


@pytest.mark.parametrize(
    "body",
    [
        {"wearers": 100_001}, {"anomaly": "boredom"}, {"hertz": 0}, {"hertz": 1e308}, {"bad_data": 2}, {"wearers": 0},
        {"user_id": "a b"}, {"repeat_s": 5}, {"duration_s": 10, "repeat_s": 10}, {"starts_at": "2026-03-01T12:00:00"},
        {"starts_at": "9999-12-31T23:59:59Z"}, {"seed": 2**63}, {"duration_s": 0}, {"hertz": 1e-320}, {"hertz": 1e-20},
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_is_told_so(call, player: User, body: dict) -> None:
    assert error(call(player).post(PATH, body, format="json"), 400)["code"] == "invalid"
    assert not Simulation.objects.exists()


def test_a_real_person_is_simulated_by_nobody_who_may_not_send_for_them(call, player: User, wearer: User) -> None:
    for body in ({"user_id": "user_001", "anomaly": "hypoxia"}, {"wearers": 1}):
        refused = error(call(player).post(PATH, body, format="json"), 403)
        assert refused["code"] == "not_allowed"
        assert refused["message"].startswith("The readings of user_001 never came from the simulator.")
    assert not Simulation.objects.exists()


@pytest.mark.parametrize("who", ["wearer", "analyst", "lead", "staff"])
def test_it_takes_the_permission(call, request: pytest.FixtureRequest, who: str) -> None:
    client = call(request.getfixturevalue(who))
    responses = [client.get(PATH), client.post(PATH, {}, format="json"), client.post(f"{PATH}1/stop/")]
    assert [error(response, 403)["code"] for response in responses] == ["not_allowed"] * 3


def test_a_simulation_that_is_not_there(call, player: User) -> None:
    assert error(call(player).get(f"{PATH}7/"), 404)["code"] == "not_found"
