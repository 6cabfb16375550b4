"""Asking to be forgotten: the password once more, the own name by hand, and a day to think it over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from devices.account.second_factor import app_add, app_secret_new, code_at, codes_left
from devices.models import Erasure, User
from tests.dashboard.pages import Visit
from tests.made import PASSWORD, make_user

pytestmark = pytest.mark.django_db
PAGE = "/settings/delete/"


def test_the_password_then_the_name_and_a_day_in_which_it_is_taken_back(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    assert 'name="password"' in client.get(PAGE).text
    assert client.post(PAGE, {"password": PASSWORD})["Location"] == PAGE
    assert 'name="user_id"' in client.get(PAGE).text
    assert client.post(PAGE, {"user_id": "user_001"})["Location"] == "/settings/"
    asked = Erasure.objects.get(user=wearer)
    assert asked.due_at - asked.asked_at == timedelta(days=1)
    assert "Everything is deleted" in client.get("/settings/").text
    client.post(f"{PAGE}undo/")
    assert not Erasure.objects.exists()
    assert "Everything is deleted" not in client.get("/settings/").text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"password": "wrong"}, "That is not your password."),
        ({"user_id": "user_001"}, "Show first that it is you."),
    ],
)
def test_without_the_password_nothing_is_asked_for(
    visit: Visit, wearer: User, given: dict[str, str], said: str
) -> None:
    answer = visit(wearer).post(PAGE, given)
    assert (answer.status_code, Erasure.objects.count()) == (400, 0)
    assert said in answer.text


def test_who_has_a_second_factor_shows_it_and_not_the_password(visit: Visit, wearer: User) -> None:
    secret, at = app_secret_new(), timezone.now()
    app_add(user=wearer, secret=secret, code=code_at(secret=secret, counter=int(at.timestamp()) // 30), at=at)
    client = visit(wearer)
    assert client.post(PAGE, {"password": PASSWORD}).status_code == 400
    wrong = client.post(PAGE, {"code": "0"})
    assert (wrong.status_code, "3 tries left" in wrong.text) == (400, True)
    assert 'name="user_id"' not in wrong.text
    assert client.post(PAGE, {"code": codes_left(user=wearer)[0]})["Location"] == PAGE
    assert client.post(PAGE, {"user_id": "user_001"})["Location"] == "/settings/"


def test_a_name_that_is_not_theirs_to_the_letter_asks_for_nothing(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    client.post(PAGE, {"password": PASSWORD})
    answer = client.post(PAGE, {"user_id": "User_001"})
    assert (answer.status_code, Erasure.objects.count()) == (400, 0)
    assert "Type user_001, to the letter." in answer.text


def test_a_password_given_long_ago_does_not_count(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    client.post(PAGE, {"password": PASSWORD})
    session = client.session
    session["erasure_proven_until"] = (timezone.now() - timedelta(seconds=1)).isoformat()
    session.save()
    assert client.post(PAGE, {"user_id": "user_001"}).status_code == 400


def test_guessing_the_password_waits(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    for _ in range(5):
        assert client.post(PAGE, {"password": "wrong"}).status_code == 400
    answer = client.post(PAGE, {"password": PASSWORD})
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")


def test_whoever_has_every_right_is_not_deleted_so(visit: Visit, db: None) -> None:
    boss = make_user("boss", is_superuser=True)
    client = visit(boss)
    assert "is not deleted here" in client.get(PAGE).text
    assert client.post(PAGE, {"password": PASSWORD}).status_code == 403
