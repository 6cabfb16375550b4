"""Teams: who sees whom by one, and who may say so."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Assignment, AuditEntry, Team, TeamAnalyst, TeamWearer, User, Verb
from devices.rights.looks import who_sees
from devices.rights.people import listed, may_come_in_as, people_managed, person_activate, person_deactivate, with_role
from devices.rights.teams import TeamError, member_add, member_remove, team_delete, team_make, teams_managed, wearer_add
from devices.rights.watching import may_see, teams_of, watch_pairs
from tests.made import NOON, make_user, make_wearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def night() -> Team:
    """Nina watches user_001 by it."""
    team = team_make(name="Night")
    member_add(team=team, person=make_user("nina"))
    wearer_add(team=team, person=make_wearer("user_001"))
    return team


def person(name: str) -> User:
    return User.objects.get(username=name)


def seen_by(name: str) -> set[str]:
    return set(User.objects.visible_to(person(name)).values_list("username", flat=True))


def test_analysts_see_the_wearers_of_their_teams_and_those_assigned_to_them(night: Team) -> None:
    Assignment.objects.create(analyst=person("nina"), wearer=make_wearer("user_002"))
    make_wearer("user_003")
    assert seen_by("nina") == {"nina", "user_001", "user_002"}
    assert seen_by("user_001") == {"user_001"}
    assert not person("nina").sees_nobody_else
    assert person("user_001").sees_nobody_else


def test_whoever_leaves_a_team_sees_its_wearers_no_more_but_for_their_own(night: Team) -> None:
    Assignment.objects.create(analyst=person("nina"), wearer=make_wearer("user_002"))
    member_remove(team=night, person=person("nina"))
    assert seen_by("nina") == {"nina", "user_002"}


def test_a_team_that_is_deleted_shows_nobody_anything_and_everybody_is_still_there(night: Team) -> None:
    team_delete(team=night)
    assert seen_by("nina") == {"nina"}
    assert AuditEntry.objects.get(verb=Verb.TEAM_DELETED).changes == {"analysts": [1, 0], "wearers": [1, 0]}


def test_a_wearer_is_told_who_sees_them_and_by_which_team(night: Team) -> None:
    watchers, _ = who_sees(person=person("user_001"))
    assert [each.username for each in watchers] == ["nina"]
    assert teams_of(wearer=person("user_001")) == [night]
    assert list(watch_pairs(wearers=[person("user_001").pk])) == [(person("nina").pk, person("user_001").pk)]


def test_notifications_ask_the_same_question(night: Team) -> None:
    nina = person("nina")
    assert may_see(user=nina, person_id=person("user_001").pk)
    assert not may_see(user=nina, person_id=make_wearer("user_002").pk)
    assert not may_see(user=nina, person_id=None)
    assert may_see(user=make_user("lead", "view_all_wearers"), person_id=None)


def test_two_teams_have_different_names_whatever_their_case(night: Team) -> None:
    with pytest.raises(TeamError, match="of that name"):
        team_make(name="NIGHT")


def test_a_lead_manages_their_team_and_nobody_elses(night: Team) -> None:
    nina, other = person("nina"), team_make(name="Day")
    assert not person("nina").manages_people
    member_add(team=night, person=nina, role=TeamAnalyst.Role.LEAD)
    assert person("nina").manages_people
    assert list(teams_managed(user=nina)) == [night]
    assert {each.username for each in people_managed(user=nina)} == {"nina", "user_001"}
    assert set(teams_managed(user=make_user("boss", "manage_people"))) == {night, other}
    assert AuditEntry.objects.get(verb=Verb.MEMBER_CHANGED).changes == {"role": ["member", "lead"]}


def test_it_asks_one_question_however_many_there_are(night: Team) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            list(User.objects.visible_to(person("nina")))
        return len(captured)

    few = queries()
    wearers = User.objects.bulk_create(User(username=f"w{n:03}", is_wearer=True) for n in range(100))
    TeamWearer.objects.bulk_create(TeamWearer(team=night, wearer=wearer) for wearer in wearers)
    assert queries() == few
    assert len(seen_by("nina")) == 102


def test_everybody_has_one_role_and_is_found_by_it(night: Team) -> None:
    make_user("seer", "view_all_wearers")
    make_user("sam", is_staff=True)
    make_user("boss", is_superuser=True)
    make_user("new")
    expected = {
        "nina": "analyst", "user_001": "wearer", "seer": "analyst", "sam": "staff", "boss": "administrator",
        "new": "none",
    }  # fmt: skip
    assert {row.person.username: row.role for row in listed(list(User.objects.all()))} == expected
    for name, role in expected.items():
        assert User.objects.filter(with_role(role), username=name).exists(), name
    assert sum(User.objects.filter(with_role(role)).count() for role in set(expected.values())) == len(expected)


def test_whoever_watches_others_is_deactivated_by_who_sees_them_anyway(night: Team) -> None:
    manager, seer = make_user("manager", "manage_people"), make_user("seer", "manage_people", "view_all_wearers")
    only_sees, boss = make_user("only_sees", "view_all_wearers"), make_user("boss", is_superuser=True)
    assigned = make_user("assigned", watches=(person("user_001"),))
    for watching in (person("nina"), assigned):
        allowed = [may_come_in_as(person=watching, by=by) for by in (manager, only_sees, seer, boss)]
        assert allowed == [False, False, True, True]
    assert may_come_in_as(person=person("user_001"), by=manager)
    with pytest.raises(ValueError, match="watch others"):
        person_deactivate(person=assigned, by=manager, at=NOON)


def test_an_account_with_rights_is_an_administrators_to_deactivate() -> None:
    manager, boss = make_user("manager", "manage_people"), User.objects.create_superuser("boss")
    seer, nina = make_user("seer", "view_all_wearers"), make_user("nina")
    for whom, by in ((seer, manager), (boss, manager), (manager, manager), (boss, boss)):
        with pytest.raises(ValueError, match=r"administrator has to|themselves"):
            person_deactivate(person=whom, by=by, at=NOON)
    assert person_deactivate(person=nina, by=manager, at=NOON)
    assert person_deactivate(person=seer, by=boss, at=NOON)
    assert not person_deactivate(person=seer, by=boss, at=NOON)
    assert person_activate(person=person("nina"), by=manager, at=NOON)
