"""Invitations: made by who may, used once, and never a way into somebody else's account."""

from datetime import timedelta
from io import StringIO
from itertools import product
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from devices.erasures import erased_remember
from devices.hashing import secret_hash
from devices.models import AuditEntry, Invitation, Team, TeamAnalyst, TeamWearer, User, Verb
from devices.rights.invitation_rules import Invited, invitation_state, invitation_states
from devices.rights.invitations import (
    InvitationError,
    InvitationOverError,
    first_administrator_invite,
    invitation_accept,
    invitation_find,
    invitation_make,
    invitation_revoke,
    invitations_forget,
    roles_offered,
)
from devices.rights.people import has_rights, may_come_in_as
from devices.rights.teams import may_manage_people, member_add, teams_managed
from tests.made import NOON, make_user, make_wearer

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PASSWORD = "seven grey herons"


@pytest.fixture
def manager(db: None) -> User:
    return make_user("manager", "manage_people")


def accept(invitation: Invitation, **chosen: Any) -> User:
    given = {"username": "nina", "password": PASSWORD, "time_zone": "UTC", "display_name": "", "at": NOON}
    return invitation_accept(invitation=invitation, **(given | chosen))


def passwordless(name: str = "user_007") -> User:
    wearer = make_wearer(name)
    wearer.set_unusable_password()
    wearer.save()
    return wearer


def test_the_invited_gets_an_account_in_the_team_and_the_link_holds_once(manager: User) -> None:
    night = Team.objects.create(name="Night")
    made = invitation_make(wanted=Invited("analyst", night), by=manager, at=NOON, note="nina@example.org")
    assert made.invitation.secret_hash == secret_hash(made.secret)
    assert invitation_find(secret=made.secret) == made.invitation
    nina = accept(made.invitation, time_zone="Europe/Vienna")
    assert (nina.check_password(PASSWORD), nina.time_zone, nina.is_staff) == (True, "Europe/Vienna", False)
    assert list(nina.memberships.values_list("team", "role")) == [(night.pk, "member")]
    with pytest.raises(InvitationOverError, match="used"):
        accept(made.invitation, username="nora")
    used = Invitation.objects.get()
    assert (used.used_by, used.note, used.state(NOON)) == (nina, "", "used")
    assert AuditEntry.objects.get(verb=Verb.INVITATION_USED).person == "nina"


def test_it_ends_by_the_clock_by_being_revoked_and_with_the_rights_of_who_made_it(manager: User) -> None:
    made = [invitation_make(wanted=Invited("wearer"), by=manager, at=NOON).invitation for _ in range(3)]
    assert invitation_state(invitation=made[0], at=NOON + 7 * DAY) == "expired"
    assert invitation_revoke(invitation=made[1], by=manager, at=NOON)
    assert not invitation_revoke(invitation=made[1], by=manager, at=NOON)
    manager.user_permissions.clear()
    states = [invitation_state(invitation=each, at=NOON) for each in Invitation.objects.order_by("pk")]
    assert states == ["revoked"] * 3
    for each in made:
        with pytest.raises(InvitationOverError):
            accept(each)
    assert not User.objects.filter(username="nina").exists()


def test_only_an_administrator_invites_staff(manager: User) -> None:
    for role in ("staff", "administrator"):
        with pytest.raises(InvitationError, match="Only an administrator"):
            invitation_make(wanted=Invited(role), by=manager, at=NOON)
    boss = User.objects.create_superuser("boss")
    made = invitation_make(wanted=Invited("staff"), by=boss, at=NOON)
    assert accept(made.invitation).is_staff


def test_a_lead_invites_to_their_own_team_and_nobody_else_invites() -> None:
    nina, night, day = make_user("nina"), Team.objects.create(name="Night"), Team.objects.create(name="Day")
    for team in (night, day, None):
        with pytest.raises(InvitationError):
            invitation_make(wanted=Invited("wearer", team), by=nina, at=NOON)
    member_add(team=night, person=nina, role=TeamAnalyst.Role.LEAD)
    assert invitation_make(wanted=Invited("wearer", night), by=nina, at=NOON)
    for team in (day, None):
        with pytest.raises(InvitationError):
            invitation_make(wanted=Invited("wearer", team), by=nina, at=NOON)
    with pytest.raises(InvitationError, match="may not see"):
        invitation_make(wanted=Invited("wearer", night, passwordless()), by=nina, at=NOON)


def test_a_name_that_the_stream_knows_is_not_taken_over(manager: User) -> None:
    wearer = passwordless()
    made = invitation_make(wanted=Invited("wearer"), by=manager, at=NOON).invitation
    with pytest.raises(ValidationError, match="is taken"):
        accept(made, username="user_007")
    named = invitation_make(wanted=Invited("wearer", person=wearer), by=manager, at=NOON).invitation
    assert accept(named, username="whatever") == wearer
    assert User.objects.get(username="user_007").check_password(PASSWORD)
    with pytest.raises(InvitationError, match="account already"):
        invitation_make(wanted=Invited("wearer", person=User.objects.get(pk=wearer.pk)), by=manager, at=NOON)


def test_of_two_invitations_for_one_person_the_second_does_not_change_their_password(manager: User) -> None:
    wearer = passwordless()
    first, second = (
        invitation_make(wanted=Invited("wearer", person=wearer), by=manager, at=NOON).invitation for _ in range(2)
    )
    accept(first)
    with pytest.raises(InvitationOverError):
        accept(second, password="another long one")
    assert User.objects.get(pk=wearer.pk).check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_whoever_is_invited_twice_is_judged_once_nobody_else_gives_them_an_account(manager: User) -> None:
    wearer, ended = passwordless(), []
    made = invitation_make(wanted=Invited("wearer", person=wearer), by=manager, at=NOON).invitation

    def take() -> None:
        try:
            accept(made)
        except InvitationOverError as over:
            ended.append(str(over))
        connections.close_all()

    with transaction.atomic():
        first = User.objects.select_for_update().get(pk=wearer.pk)  # as the other one does
        thread = Thread(target=take)
        thread.start()
        thread.join(0.3)
        first.set_password("another long one")
        first.save()
    thread.join(10)
    assert ended == ["revoked"]
    assert User.objects.get(pk=wearer.pk).check_password("another long one")


def test_what_was_noted_about_the_invited_goes_with_the_link(manager: User) -> None:
    invited = [
        invitation_make(wanted=Invited("wearer"), by=manager, at=NOON, note="nina@example.org", lifetime=days * DAY)
        for days in (1, 2, 3)
    ]
    assert invitation_revoke(invitation=invited[2].invitation, by=manager, at=NOON)
    assert invitations_forget(at=NOON + DAY) == 1
    assert list(Invitation.objects.order_by("pk").values_list("note", flat=True)) == ["", "nina@example.org", ""]


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"username": "no spaces please"}, "username"),
        ({"username": "gone"}, "username"),
        ({"password": "12345678"}, "password"),
        ({"password": "nina-nina", "username": "nina-nina"}, "password"),
        ({"time_zone": "Nowhere/At_All"}, "time_zone"),
    ],
)
def test_what_cannot_be_is_named_and_the_link_still_holds(manager: User, chosen: dict[str, str], field: str) -> None:
    erased_remember(name="gone", at=NOON)
    made = invitation_make(wanted=Invited("wearer"), by=manager, at=NOON).invitation
    with pytest.raises(ValidationError) as refused:
        accept(made, **chosen)
    assert field in refused.value.message_dict
    assert accept(made).is_wearer


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_the_account(manager: User) -> None:
    made = invitation_make(wanted=Invited("wearer"), by=manager, at=NOON).invitation
    together, became = Barrier(2), []

    def take(name: str) -> None:
        together.wait()
        try:
            became.append(accept(made, username=name).username)
        except InvitationOverError as over:
            became.append(str(over))
        connections.close_all()

    threads = [Thread(target=take, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "used" in became
    assert User.objects.filter(username__in=("ann", "bob")).count() == 1


def test_a_new_installation_prints_a_link_for_its_first_administrator() -> None:
    out = StringIO()
    call_command("first_administrator", "--url", "https://telara.example", stdout=out)
    before = first_administrator_invite(at=NOON, lifetime=DAY)
    made = first_administrator_invite(at=NOON, lifetime=DAY)
    assert "https://telara.example/invitation/" in out.getvalue()
    assert before
    assert made
    assert invitation_find(secret=before.secret).state(NOON) == "revoked"
    boss = accept(made.invitation, username="boss")
    assert (boss.is_superuser, boss.is_staff) == (True, True)
    again = StringIO()
    call_command("first_administrator", stdout=again)
    assert "There is an administrator already" in again.getvalue()
    assert "/invitation/" not in again.getvalue()


def test_it_says_where_a_link_leads_nobody_in_because_cookies_go_over_https(settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    out = StringIO()
    call_command("first_administrator", "--url", "http://localhost:8000", stdout=out)
    assert "set TELARA_URL to https://" in out.getvalue()


def test_a_link_for_the_first_administrator_holds_until_there_is_one() -> None:
    made, late = (first_administrator_invite(at=NOON, lifetime=DAY) for _ in range(2))
    assert made
    assert late
    User.objects.create_superuser("boss")
    assert invitation_state(invitation=late.invitation, at=NOON) == "revoked"
    with pytest.raises(InvitationOverError, match="revoked"):
        accept(late.invitation)
    assert first_administrator_invite(at=NOON, lifetime=DAY) is None
    assert not Invitation.objects.filter(revoked_at=None).exists()
    for hours in ("0", "721", "999999999999"):
        with pytest.raises(CommandError, match="from 1 to 720"):
            call_command("first_administrator", "--hours", hours)


def may_invite(row: Invitation) -> bool:
    """As the pages say it of one person: the roles, teams and people that are offered."""
    by, who = row.made_by, row.person
    if row.by_command or by is None:
        return row.by_command and not User.objects.filter(is_superuser=True).exists()
    everybody = may_manage_people(by)
    teams = [None] * everybody + list(teams_managed(user=by))
    seen = User.objects.all() if everybody else User.objects.visible_to(by)
    has_account = who is not None and (not who.is_active or who.has_usable_password() or has_rights(who))
    return (
        row.role in roles_offered(by=by)
        and row.team in teams
        and (who is None or (who in seen and not has_account and may_come_in_as(person=who, by=by)))
    )


def test_many_are_judged_by_what_is_offered_to_each_who_invites_and_in_as_many_queries() -> None:
    night, day = Team.objects.create(name="Night"), Team.objects.create(name="Day")
    lead, both = make_user("lead"), make_user("both", "manage_people", "view_all_wearers")
    member_add(team=night, person=lead, role=TeamAnalyst.Role.LEAD)
    makers = [lead, both, make_user("manager", "manage_people"), make_user("nobody"), make_user("boss")]
    makers += [make_user("away", "manage_people", is_active=False), make_user("seer", "view_all_wearers"), None]
    User.objects.filter(username="boss").update(is_superuser=True)
    people = [None, passwordless("free"), passwordless("watched"), passwordless("watching"), passwordless("trusted")]
    people += [make_wearer("signs_in"), passwordless("inactive")]
    watched, watching, trusted = people[2:5]
    assert watched
    assert watching
    assert trusted
    TeamWearer.objects.create(team=night, wearer=watched)
    member_add(team=day, person=watching)
    TeamWearer.objects.create(team=night, wearer=watching)
    trusted.user_permissions.add(Permission.objects.first())
    User.objects.filter(username="inactive").update(is_active=False)
    times = {"made_at": NOON, "expires_at": NOON + DAY}
    cases = product(makers, people, ("wearer", "staff"), (None, night, day))
    rows = [
        Invitation(secret_hash=str(n), role=role, team=team, person=who, made_by=by, **times)
        for n, (by, who, role, team) in enumerate(cases)
    ]
    rows.append(Invitation(secret_hash="c", role="administrator", by_command=True, **times))
    Invitation.objects.bulk_create(rows)
    kept = list(Invitation.objects.select_related("made_by", "person", "team").order_by("pk"))
    with CaptureQueriesContext(connection) as many:
        states = invitation_states(invitations=kept, at=NOON)
    assert [state == "open" for state in states] == [may_invite(each) for each in kept]
    assert set(states) == {"open", "revoked"}
    assert len(many) == 8
    assert invitation_states(invitations=kept, at=NOON + DAY) == ["expired"] * len(kept)
