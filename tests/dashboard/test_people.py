"""The pages of people, teams, invitations and the audit log: who finds whom there, and what they can do."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.account.attempts import MOST_OF_ADDRESS, attempt_failed, attempts_left
from devices.models import ApiToken, AuditEntry, Invitation, Team, TeamAnalyst, TeamWearer, User, Verb
from devices.rights.teams import member_add, wearer_add
from devices.tokens import token_make
from tests.dashboard.pages import Visit
from tests.made import NOON, make_user, make_wearer

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PASSWORD = "seven grey herons"


@pytest.fixture
def manager(db: None) -> User:
    return make_user("manager", "manage_people", "view_audit")


@pytest.fixture
def night(wearer: User) -> Team:
    """Led by nina, with user_001 as wearer."""
    team = Team.objects.create(name="Night", description="22 to 6")
    member_add(team=team, person=make_user("nina"), role=TeamAnalyst.Role.LEAD)
    wearer_add(team=team, person=wearer)
    return team


def nina() -> User:
    return User.objects.get(username="nina")


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return str(answer.content.decode())


def test_whoever_manages_people_finds_everybody_and_a_lead_whoever_is_in_their_team(
    visit: Visit, manager: User, night: Team, other: User
) -> None:
    everybody, theirs = text(visit(manager), "/people/"), text(visit(nina()), "/people/")
    assert "user_002" in everybody
    assert "user_001" in theirs
    assert "user_002" not in theirs
    assert "user_002" in text(visit(manager), "/people/?role=wearer&q=USER_002")
    assert "Nobody matches" in text(visit(manager), "/people/?role=staff")
    assert visit(manager).get("/people/?role=king").status_code == 400
    assert visit(nina()).get("/people/person/user_002/").status_code == 404
    for client, is_there in ((visit(nina()), True), (visit(make_user("nobody")), False)):
        assert ('data-name="People"' in text(client, "/")) is is_there


def test_ten_thousand_people_come_by_pages_and_in_as_many_queries(visit: Visit, manager: User, night: Team) -> None:
    client = visit(manager)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            text(client, address)
        return len(captured)

    text(client, "/people/")
    pages = ("/people/", f"/people/teams/{night.pk}/", "/audit/", "/people/invitations/")
    invited = {"role": "wearer", "team": night, "made_at": NOON, "expires_at": timezone.now() + DAY}
    Invitation.objects.create(secret_hash="0", person=nina(), made_by=manager, **invited)
    few = [queries(address) for address in pages]
    people = User.objects.bulk_create(User(username=f"w{n:03}", is_wearer=True) for n in range(120))
    TeamWearer.objects.bulk_create(TeamWearer(team=night, wearer=person) for person in people)
    for n, by in enumerate((manager, nina(), *people[:4]), start=1):
        Invitation.objects.create(secret_hash=str(n), person=people[n + 9], made_by=by, **invited)
    assert [queries(address) for address in pages] == few
    address, seen = "/people/", set()
    for _ in range(3):
        page = text(client, address)
        seen |= set(re.findall(r"/people/person/([^/]+)/", page))
        address = "/people/" + next(iter(re.findall(r'href="(\?[^"]+)"[^>]*rel="next"', page)), "").replace(
            "&amp;", "&"
        )
    assert seen == set(User.objects.values_list("username", flat=True))


def test_a_team_is_made_filled_renamed_and_deleted(visit: Visit, manager: User, wearer: User) -> None:
    client = visit(manager)
    assert "No team yet" in text(client, "/people/teams/")
    client.post("/people/teams/", {"name": "Day", "description": ""})
    address = f"/people/teams/{Team.objects.get().pk}/"
    make_user("nora")
    for do, user_id in (("member-add", "nora"), ("wearer-add", "user_001"), ("lead", "nora")):
        assert client.post(address, {"do": do, "user_id": user_id}).status_code == 302
    assert "leads the team" in text(client, address)
    assert wearer in User.objects.visible_to(User.objects.get(username="nora"))
    client.post(address, {"do": "change", "name": "Late", "description": "x"})
    problem = client.post(address, {"do": "wearer-add", "user_id": "user_999"})
    assert (problem.status_code, "There is no user_999" in problem.content.decode()) == (409, True)
    assert client.post("/people/teams/", {"name": "LATE"}).status_code == 400
    client.post(address, {"do": "wearer-remove", "user_id": "user_001"})
    client.post(address, {"do": "member-remove", "user_id": "nora"})
    assert not Team.objects.filter(analysts__isnull=False).exists()
    client.post(address, {"do": "delete"})
    assert not Team.objects.exists()
    verbs = AuditEntry.objects.filter(actor="manager", way="page").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == [
        "signed_in", "team_made", "member_added", "wearer_added", "member_changed", "team_changed", "wearer_removed",
        "member_removed", "team_deleted",
    ]  # fmt: skip


def test_a_lead_cannot_reach_beyond_their_team(visit: Visit, night: Team, other: User) -> None:
    client, day = visit(nina()), Team.objects.create(name="Day")
    address = f"/people/teams/{night.pk}/"
    assert client.get(f"/people/teams/{day.pk}/").status_code == 404
    assert client.post("/people/teams/", {"name": "Mine"}).status_code == 403
    for do in ("delete", "lead"):
        assert client.post(address, {"do": do, "user_id": "nina"}).status_code == 403
    for whom in ("user_002", "no-such-person"):
        answers = [client.post(address, {"do": do, "user_id": whom}) for do in ("wearer-add", "member-add")]
        assert [answer.status_code for answer in answers] == [409, 409]
        assert f"There is no {whom} here" in answers[1].content.decode()
    assert client.post(address, {"do": "member-remove", "user_id": "nina"}).status_code == 409
    assert client.post("/people/person/user_001/", {"do": "deactivate"}).status_code == 409
    assert not User.objects.visible_to(nina()).filter(pk=other.pk).exists()
    assert client.post(address, {"do": "nothing"}).status_code == 404
    assert client.post(address, {"do": "member-add", "user_id": "user_001"}).status_code == 302


def test_adding_who_leads_the_team_already_leaves_the_lead_with_them(visit: Visit, manager: User, night: Team) -> None:
    address = f"/people/teams/{night.pk}/"
    assert visit(manager).post(address, {"do": "member-add", "user_id": "nina"}).status_code == 302
    nora = make_user("nora")
    member_add(team=night, person=nora, role=TeamAnalyst.Role.LEAD)
    assert visit(nora).post(address, {"do": "member-add", "user_id": "nina"}).status_code == 302
    assert set(night.analysts.values_list("analyst__username", "role")) == {("nina", "lead"), ("nora", "lead")}
    assert not AuditEntry.objects.filter(verb="member_changed").exists()


def test_whoever_is_deactivated_is_out_at_once_and_comes_back_without_their_old_keys(
    visit: Visit, manager: User, analyst: User
) -> None:
    manager.user_permissions.add(Permission.objects.get(codename="view_all_wearers"))
    theirs, mine = visit(analyst), visit(manager)
    token_make(user=analyst, at=timezone.now(), lifetime=timedelta(days=1))
    assert theirs.get("/alerts/").status_code == 200
    mine.post("/people/person/analyst/", {"do": "deactivate"})
    assert theirs.get("/alerts/").status_code == 302
    assert not ApiToken.objects.exists()
    assert "deactivated" in text(mine, "/people/?role=inactive")
    mine.post("/people/person/analyst/", {"do": "activate"})
    assert theirs.get("/alerts/").status_code == 302
    assert theirs.post("/login/", {"username": "analyst", "password": "correct horse"}).status_code == 302
    assert theirs.get("/alerts/").status_code == 200


def invite(client: Client, **chosen: str) -> str:
    """The path of the link that the page shows."""
    answer = client.post("/people/invitations/", {"role": "analyst", "days": "7"} | chosen)
    assert answer.status_code == 200
    return re.findall(r'id="invitation-link">https?://[^/]+(/invitation/[\w-]{43}/)<', answer.content.decode())[0]


def test_the_invited_comes_in_by_the_link_and_sees_the_teams_wearers(visit: Visit, manager: User, night: Team) -> None:
    link, guest = invite(visit(manager), team=str(night.pk), note="nora@example.org"), Client()
    came = guest.get(link)
    assert (came.status_code, came["Location"], came["Referrer-Policy"]) == (302, "/invitation/", "no-referrer")
    assert "analyst of the team Night" in text(guest, "/invitation/")
    given = {"username": "user_001", "password": PASSWORD, "again": PASSWORD, "time_zone": "Europe/Vienna"}
    assert "is taken" in guest.post("/invitation/", given).content.decode()
    assert "differ" in guest.post("/invitation/", given | {"username": "nora", "again": "x"}).content.decode()
    assert guest.post("/invitation/", given | {"username": "nora"})["Location"] == "/"
    assert guest.get("/settings/security/password/").status_code == 200, "as after any other sign-in"
    assert "user_001" in text(guest, "/wearers/")
    assert guest.get("/wearers/user_001/").status_code == 200
    late = Client()
    assert (late.get(link).status_code, "was used" in late.get(link).content.decode()) == (410, True)
    listed = text(visit(manager), "/people/invitations/")
    assert "by nora" in listed
    assert link.split("/")[2] not in listed


def test_links_for_others_lead_to_where_people_reach_the_site(visit: Visit, manager: User, settings: Any) -> None:
    settings.TELARA_URL = "https://telara.example/"
    made = visit(manager).post("/people/invitations/", {"role": "analyst", "days": "7"}).content.decode()
    assert ">https://telara.example/invitation/" in made
    action = {"action": "make_password_link", "_selected_action": str(make_user("nora").pk)}
    shown = visit(make_user("boss", is_staff=True, is_superuser=True)).post("/admin/devices/user/", action)
    assert "https://telara.example/login/" in shown.content.decode()


def test_a_link_that_holds_no_more_says_what_to_do(visit: Visit, manager: User, analyst: User) -> None:
    mine, links = visit(manager), [invite(visit(manager)) for _ in range(3)]
    oldest, middle, _ = Invitation.objects.order_by("pk")
    mine.post("/people/invitations/", {"do": "revoke", "invitation": str(oldest.pk)})
    Invitation.objects.filter(pk=middle.pk).update(expires_at=NOON)
    guest = Client()
    for link, said in zip(links, ("taken back", "has expired", ""), strict=True):
        answer = guest.get(link)
        assert answer.status_code == (410 if said else 302)
        assert said in answer.content.decode()
    assert "You are signed in" in _followed(visit(analyst), links[2])
    assert "no such invitation" in Client().get("/invitation/").content.decode()


def _followed(client: Client, link: str) -> str:
    return str(client.get(link, follow=True).content.decode())


def test_guessing_links_is_made_to_wait(db: None) -> None:
    guest = Client(REMOTE_ADDR="192.0.2.9")
    answers = [guest.get(f"/invitation/{'x' * 42}{n}/").status_code for n in range(6)]
    assert answers == [404] * 5 + [429]
    for number in range(MOST_OF_ADDRESS - 1):
        attempt_failed(username=f"somebody {number}", address="192.0.2.9")
    assert attempts_left(username="nina", address="192.0.2.9") == 1, "links are none of the tries to sign in"


def test_the_audit_log_is_narrowed_paged_and_taken_along(visit: Visit, manager: User, wearer: User) -> None:
    client, at = visit(manager), timezone.now().replace(microsecond=0)
    AuditEntry.objects.bulk_create(
        AuditEntry(
            at=at - timedelta(minutes=n // 8),
            way="api",
            verb=Verb.LOOKED if n % 2 else Verb.EXPORTED,
            actor="=cmd",
            person_key=wearer.pk,
            person=wearer.username,
            changes={"analyst": [None, f"person {manager.pk}"]},
        )
        for n in range(120)
    )
    first = text(client, "/audit/?person=user_001&verb=looked")
    assert first.count("looked at data</td>") == 50
    assert "analyst: none → manager" in first
    following = re.findall(r'href="(\?[^"]+)"[^>]*rel="next"', first)[0].replace("&amp;", "&")
    assert text(client, f"/audit/{following}").count("looked at data</td>") == 10
    assert text(client, "/audit/?actor=manager").count("signed in</td>") == 1
    assert "Nothing matches" in text(client, "/audit/?day=2020-01-01")
    for bad in ("verb=ate", "day=soon", "before=x", "before=1_x"):
        assert client.get(f"/audit/?{bad}").status_code == 400, bad
    lines = b"".join(client.get("/audit/audit.csv?person=user_001")).decode().splitlines()  # type: ignore[arg-type]
    assert (len(lines), lines[0].split(",")[:3]) == (121, ["at", "way", "verb"])
    assert "'=cmd" in lines[1]
    assert AuditEntry.objects.filter(verb=Verb.AUDIT_EXPORTED, actor="manager").exists()
    assert visit(make_wearer("user_005")).get("/audit/").status_code == 403
