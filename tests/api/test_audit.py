"""The audit log by API."""

import pytest

from devices.models import User, Verb
from devices.rights.audit import audit_note
from tests.api.conftest import Call
from tests.made import NOON, make_user, make_wearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor(db: None) -> User:
    return make_user("auditor", "view_audit")


def test_who_may_read_it_finds_by_person_actor_and_verb_page_by_page(call: Call, auditor: User) -> None:
    ann = make_wearer("user_007")
    for _ in range(3):
        audit_note(verb=Verb.LOOKED, person=ann, by=auditor, at=NOON, changes={"role": (None, "lead")})
    client = call(auditor)
    first = client.get("/api/v1/audit/?person=user_007&actor=auditor&verb=looked&limit=2").json()
    following = client.get(first["next"]).json()
    assert ([len(page["results"]) for page in (first, following)], following["next"]) == ([2, 1], None)
    (entry,) = following["results"]
    assert (entry["actor"], entry["person"], entry["changes"]) == ("auditor", "user_007", {"role": [None, "lead"]})
    assert client.get("/api/v1/audit/?person=nobody").json()["results"] == []
    assert client.get("/api/v1/audit/?until=2026-03-01T12:00:00Z").json()["results"] == []
    assert client.get("/api/v1/audit/?verb=ate").status_code == 400
    assert call(ann).get("/api/v1/audit/").status_code == 403
