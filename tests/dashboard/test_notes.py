"""Notes about a wearer: who may write them, what is refused, and where they stand."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from devices.models import Note, User
from devices.notes import note_add
from tests.dashboard.pages import Visit

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
NOTES = "/wearers/user_001/notes/"


def told(answer: Any, event: str = "telara:triaged") -> str:
    return str(json.loads(answer.headers["HX-Trigger"])[event]["text"])


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 204), ("analyst", 204), ("lead", 204), ("stranger", 403), ("staff", 403)]
)
def test_those_who_may_see_a_person_write_about_them_and_so_do_they(  # personas
    visit: Visit, request: pytest.FixtureRequest, wearer: User, who: str, status: int
) -> None:
    user = request.getfixturevalue(who)
    assert visit(user).post(NOTES, {"text": "slept badly"}, **HTMX).status_code == status
    assert [(note.by, note.text) for note in Note.objects.all()] == ([(user, "slept badly")] if status == 204 else [])


def test_a_note_is_about_the_moment_that_it_names_and_stands_in_the_charts(
    visit: Visit, wearer: User, analyst: User
) -> None:
    client, then = visit(analyst), timezone.now() - timedelta(hours=5)
    client.post(NOTES, {"text": "Called <her>:\r\nhad coffee", "about": then.isoformat()})
    page = client.get("/wearers/user_001/")
    assert page.context["data"]["notes"] == [then.timestamp()]
    assert "Called &lt;her&gt;:" in page.text
    assert f"{NOTES}{Note.objects.get().pk}/remove/" in page.text
    assert "range=1h&amp;until=" in page.text
    assert f"{NOTES}{Note.objects.get().pk}/remove/" not in visit(wearer).get("/wearers/user_001/").text


def test_what_is_wrong_is_said_and_nothing_is_kept(visit: Visit, analyst: User) -> None:
    client, later = visit(analyst), timezone.now() + timedelta(hours=1)
    for changes, words in (
        ({"text": " \x00 "}, "Write something"),
        ({"text": "x" * 2001}, "at most 2,000"),
        ({"about": later.isoformat()}, "time that has been"),
        ({"about": "noon"}, "2026-03-01T12:00:00Z"),
    ):
        answer = client.post(NOTES, {"text": "x"} | changes, **HTMX)
        assert answer.status_code == 409
        assert words in told(answer, "telara:refused")
    assert not Note.objects.exists()


def test_a_note_is_taken_back_by_who_wrote_it_and_nobody_else(
    visit: Visit, wearer: User, analyst: User, lead: User
) -> None:
    now = timezone.now()
    note = note_add(person=wearer, by=analyst, text="x", about=now, at=now)
    assert visit(lead).post(f"{NOTES}{note.pk}/remove/").status_code == 404
    assert visit(analyst).post(f"/wearers/analyst/notes/{note.pk}/remove/").status_code == 404
    assert told(visit(analyst).post(f"{NOTES}{note.pk}/remove/", **HTMX)) == "Note taken back"
    assert not Note.objects.exists()


@pytest.mark.django_db(transaction=True)  # an export reads what is committed
def test_a_wearer_takes_along_what_was_written_about_them(visit: Visit, wearer: User, analyst: User) -> None:
    now = timezone.now()
    note_add(person=wearer, by=analyst, text="slept badly", about=now, at=now)
    rows = b"".join(visit(wearer).get("/wearers/user_001/export/notes.csv").streaming_content).decode()
    assert "analyst,slept badly" in rows
