"""Teams: who is in them, and who may say so. What changes whom somebody sees reaches their open screens at once."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from devices.live import rights_changed
from devices.models import Team, TeamAnalyst, TeamWearer, User, Verb
from devices.rights.audit import audit_note, changes_between

MANAGE = "devices.manage_people"


class TeamError(ValueError):
    """It cannot be so; the text says why, and what to do."""


def may_manage_people(user: User) -> bool:
    """Whether `user` may manage everybody, and every team."""
    return user.is_active and user.has_perm(MANAGE)


def teams_managed(*, user: User) -> QuerySet[Team]:
    """The teams whose members `user` may change: all with the permission, else those that they lead; by name."""
    teams = Team.objects.order_by("name", "pk")
    if may_manage_people(user):
        return teams
    led = TeamAnalyst.objects.filter(analyst=user, role=TeamAnalyst.Role.LEAD).values("team")
    return teams.filter(pk__in=led) if user.is_active else teams.none()


def team_make(*, name: str, description: str = "", by: User | None = None) -> Team:
    """A team without anybody; raises TeamError where the name is taken."""
    try:
        with transaction.atomic():
            team = Team.objects.create(name=name, description=description)
            audit_note(verb=Verb.TEAM_MADE, what=f"team {team.pk}", by=by)
            return team
    except IntegrityError:
        raise TeamError("There is a team of that name. Choose another one.") from None


def team_change(*, team: Team, name: str, description: str, by: User | None = None) -> None:
    """Another name or description; raises TeamError where the name is taken."""
    wanted = {"name": name, "description": description}
    try:
        with transaction.atomic():
            known = Team.objects.select_for_update().get(pk=team.pk)
            changes = changes_between({key: getattr(known, key) for key in wanted}, wanted)
            Team.objects.filter(pk=team.pk).update(**wanted)
            if changes:
                audit_note(verb=Verb.TEAM_CHANGED, what=f"team {known.pk}", changes=changes, by=by)
    except IntegrityError:
        raise TeamError("There is a team of that name. Choose another one.") from None


def team_delete(*, team: Team, by: User | None = None) -> None:
    """It is gone, and what its analysts saw by it; nobody in it is."""
    with transaction.atomic():
        counts = {"analysts": (team.analysts.count(), 0), "wearers": (team.wearers.count(), 0)}
        audit_note(verb=Verb.TEAM_DELETED, what=f"team {team.pk}", changes=counts, by=by)
        team.delete()
        transaction.on_commit(rights_changed)


def member_add(*, team: Team, person: User, role: str | None = None, by: User | None = None) -> None:
    """`person` sees the team's wearers from now on, as a member where no role is said; one who is in it already gets
    that role, and keeps their own where none is said."""
    with transaction.atomic():
        member, is_new = TeamAnalyst.objects.select_for_update().get_or_create(
            team=team, analyst=person, defaults={"role": role or TeamAnalyst.Role.MEMBER}
        )
        if is_new:
            _note(Verb.MEMBER_ADDED, team, person, {"role": (None, str(member.role))}, by)
        elif role is not None and member.role != role:
            TeamAnalyst.objects.filter(pk=member.pk).update(role=role)
            _note(Verb.MEMBER_CHANGED, team, person, {"role": (member.role, str(role))}, by)


def member_remove(*, team: Team, person: User, by: User | None = None) -> bool:
    """`person` sees them by this team no more; whether they did."""
    with transaction.atomic():
        removed = TeamAnalyst.objects.filter(team=team, analyst=person).delete()[0] > 0
        if removed:
            _note(Verb.MEMBER_REMOVED, team, person, {}, by)
    return removed


def wearer_add(*, team: Team, person: User, by: User | None = None) -> bool:
    """The team's analysts see `person` from now on; whether that is new."""
    with transaction.atomic():
        is_new = TeamWearer.objects.get_or_create(team=team, wearer=person)[1]
        if is_new:
            _note(Verb.WEARER_ADDED, team, person, {}, by)
    return is_new


def wearer_remove(*, team: Team, person: User, by: User | None = None) -> bool:
    """The team's analysts see `person` by it no more; whether they did."""
    with transaction.atomic():
        removed = TeamWearer.objects.filter(team=team, wearer=person).delete()[0] > 0
        if removed:
            _note(Verb.WEARER_REMOVED, team, person, {}, by)
    return removed


def _note(verb: Verb, team: Team, person: User, changes: dict[str, Any], by: User | None) -> None:
    audit_note(verb=verb, person=person, what=f"team {team.pk}", changes=changes, by=by)
    transaction.on_commit(rights_changed)
