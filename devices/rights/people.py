"""People as those who manage them see them: their role, and whether they may come in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from devices.account.second_factor import with_second_factor
from devices.account.sessions import sessions_drop
from devices.live import rights_changed
from devices.models import ApiToken, Assignment, TeamAnalyst, User, Verb
from devices.rights.audit import audit_note
from devices.rights.teams import may_manage_people, teams_managed
from devices.selectors import sees_everyone

ROLES: Final = ("administrator", "staff", "analyst", "wearer", "none")


class PersonError(ValueError):
    """It cannot be done to this person; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A person as the list shows them."""

    person: User
    role: str
    teams: tuple[str, ...]
    seen_at: datetime | None
    second_factor: bool


def people_managed(*, user: User) -> QuerySet[User]:
    """Whom `user` may find on the page of people: everybody with the permission, a lead whoever is in their teams."""
    if may_manage_people(user):
        return User.objects.all()
    teams = teams_managed(user=user)
    members = TeamAnalyst.objects.filter(team__in=teams).values("analyst")
    wearers = User.objects.filter(teams__team__in=teams).values("pk")
    return User.objects.filter(pk__in=members.union(wearers, all=True))


def with_role(role: str) -> Q:
    """Those of a role: the first of ROLES that fits. Whether somebody is active is another matter."""
    watches = watching_somebody() | sees_everyone()
    common = Q(is_superuser=False, is_staff=False)
    return {
        "administrator": Q(is_superuser=True),
        "staff": Q(is_superuser=False, is_staff=True),
        "analyst": common & watches,
        "wearer": common & ~watches & Q(is_wearer=True),
        "none": common & ~watches & Q(is_wearer=False),
    }[role]


def listed(people: Collection[User]) -> list[Listed]:
    """These people with what is known of them, in their order: five queries, however many they are."""
    keys = [person.pk for person in people]
    teams: dict[int, list[str]] = {}
    members = TeamAnalyst.objects.filter(analyst__in=keys).order_by("team__name")
    for key, name in members.values_list("analyst", "team__name"):
        teams.setdefault(key, []).append(name)
    watching = {*teams, *Assignment.objects.filter(analyst__in=keys).values_list("analyst", flat=True)}
    watching |= set(User.objects.filter(sees_everyone(), pk__in=keys).values_list("pk", flat=True))
    of_wearers = User.objects.filter(pk__in=keys, teams__isnull=False).order_by("teams__team__name")
    for key, name in of_wearers.values_list("pk", "teams__team__name"):
        if name not in teams.setdefault(key, []):
            teams[key].append(name)
    tokens = ApiToken.objects.filter(user__in=keys).values_list("user").annotate(last=Max("last_used_at"))
    used, factors = dict(tokens), with_second_factor(users=keys)
    return [
        Listed(
            person,
            role_of(person, watches=person.pk in watching),
            tuple(teams.get(person.pk, ())),
            max(filter(None, (person.last_login, used.get(person.pk))), default=None),
            person.pk in factors,
        )
        for person in people
    ]


def role_of(person: User, *, watches: bool) -> str:
    """One of ROLES."""
    if person.is_superuser:
        return "administrator"
    if person.is_staff:
        return "staff"
    return "analyst" if watches else "wearer" if person.is_wearer else "none"


def person_deactivate(*, person: User, by: User, at: datetime) -> bool:
    """`person` cannot come in any more: sessions, tokens and sockets end now; nothing of theirs is deleted.

    Whether that is new. Raises PersonError for oneself, and for whoever only an administrator may touch.
    """
    _check(person, by)
    with transaction.atomic():
        changed = bool(User.objects.filter(pk=person.pk, is_active=True).update(is_active=False))
        if changed:
            sessions_drop(user_id=person.pk)
            tokens = ApiToken.objects.filter(user=person).delete()[0]
            changes = {"is_active": (True, False), "tokens": (tokens, 0)}
            audit_note(verb=Verb.DEACTIVATED, person=person, changes=changes, by=by, at=at)
            transaction.on_commit(rights_changed)
    return changed


def person_activate(*, person: User, by: User, at: datetime) -> bool:
    """`person` may sign in again, with the password they had; whether that is new. Raises PersonError as above."""
    _check(person, by)
    if hasattr(person, "erasure") and person.erasure.begun_at is not None:
        raise PersonError("They asked to be forgotten, and it has begun.")
    with transaction.atomic():
        changed = bool(User.objects.filter(pk=person.pk, is_active=False).update(is_active=True))
        if changed:
            changes = {"is_active": (False, True)}
            audit_note(verb=Verb.ACTIVATED, person=person, changes=changes, by=by, at=at)
            transaction.on_commit(rights_changed)
    return changed


def watching_somebody() -> Q:
    """Users to whom somebody is assigned, or who are in a team."""
    assigned = Q(Exists(Assignment.objects.filter(analyst=OuterRef("pk"))))
    return assigned | Q(Exists(TeamAnalyst.objects.filter(analyst=OuterRef("pk"))))


def having_rights() -> Q:
    """Users whose account only an administrator may change: others could come in as them, or lock them out."""
    of_their_own = Exists(User.user_permissions.through._default_manager.filter(user=OuterRef("pk")))
    by_group = Exists(User.groups.through._default_manager.filter(user=OuterRef("pk")))
    return Q(is_staff=True) | Q(is_superuser=True) | Q(of_their_own) | Q(by_group)


def has_rights(person: User) -> bool:
    """Whether `person` is one of `having_rights`."""
    return User.objects.filter(having_rights(), pk=person.pk).exists()


def may_come_in_as(*, person: User, by: User) -> bool:
    """Whether `by` may do what lets them in as `person`, or keeps `person` out: take a factor away, make a link for a
    new password, deactivate. Whoever watches somebody has rights too, over data that `by` must see anyway."""
    if by.is_active and by.is_superuser:
        return True
    if has_rights(person):
        return False
    if may_manage_people(by) and by.has_perm("devices.view_all_wearers"):
        return True
    return not User.objects.filter(watching_somebody(), pk=person.pk).exists()


def _check(person: User, by: User) -> None:
    if person.pk == by.pk:
        raise PersonError("Nobody locks themselves out: ask somebody else to do it.")
    if not may_come_in_as(person=person, by=by):
        raise PersonError("They have rights of their own, or watch others: an administrator has to do it.")
