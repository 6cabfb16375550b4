"""Who may invite whom as what: asked when an invitation is made, and of each that is open, for as long as it is.

What the answer depends on is read at once, in seven queries for fifty invitations as for one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from devices.models import Invitation, Team, TeamAnalyst, User
from devices.rights.people import having_rights, watching_somebody
from devices.rights.watching import watch_pairs
from devices.selectors import holding, sees_everyone

Role = Invitation.Role
EVERYDAY: Final = (Role.WEARER, Role.ANALYST)
NOT_STAFF: Final = "Only an administrator may invite staff."
NOT_LED: Final = "Choose a team that you lead."
NOT_SEEN: Final = "There is no such person, or you may not see them."
NOT_FREE: Final = "They have an account already: they sign in, or an administrator helps them."


@dataclass(frozen=True, slots=True)
class Invited:
    """For whom an invitation is: a role, in a team or in none, and perhaps a person whom the stream already knows."""

    role: str
    team: Team | None = None
    person: User | None = None


@dataclass(frozen=True, slots=True)
class Rights:
    """Of those who invite and of the invited, by key."""

    managers: frozenset[int]
    see_everyone: frozenset[int]
    led: frozenset[tuple[int, int]]  # lead, team
    watched: frozenset[tuple[int, int]]  # analyst, wearer
    has_rights: frozenset[int]  # of the invited
    watching: frozenset[int]  # of the invited


def rights_of(*, makers: Collection[int], people: Collection[int]) -> Rights:
    """What those who invite and those who are invited may do, now."""
    leads = TeamAnalyst.objects.filter(analyst__in=makers, analyst__is_active=True, role=TeamAnalyst.Role.LEAD)
    invited = User.objects.filter(pk__in=people)
    inviting = User.objects.filter(pk__in=makers)
    return Rights(
        frozenset(inviting.filter(holding("manage_people")).values_list("pk", flat=True)),
        frozenset(inviting.filter(sees_everyone()).values_list("pk", flat=True)),
        frozenset(leads.values_list("analyst", "team")),
        frozenset(watch_pairs(wearers=people)),
        frozenset(invited.filter(having_rights()).values_list("pk", flat=True)),
        frozenset(invited.filter(watching_somebody()).values_list("pk", flat=True)),
    )


def roles_of(*, by: User, rights: Rights) -> list[str]:
    """As what `by` may invite: staff only as an administrator."""
    if by.is_active and by.is_superuser:
        return [*EVERYDAY, Role.STAFF, Role.ADMINISTRATOR]
    may_invite = by.pk in rights.managers or any(lead == by.pk for lead, _ in rights.led)
    return [*EVERYDAY] if may_invite else []


def why_not(*, role: str, team_id: int | None, person: User | None, by: User, rights: Rights) -> str:
    """Why `by` may not invite so; empty where they may."""
    if role not in roles_of(by=by, rights=rights):
        return NOT_STAFF if role in Role else "No such role."
    if by.pk not in rights.managers:
        if (by.pk, team_id) not in rights.led:
            return NOT_LED
        if person is not None and not _sees(by, person, rights):
            return NOT_SEEN
    return "" if person is None or _is_free(person, by, rights) else NOT_FREE


def _sees(by: User, person: User, rights: Rights) -> bool:
    return person.pk == by.pk or by.pk in rights.see_everyone or (by.pk, person.pk) in rights.watched


def _is_free(person: User, by: User, rights: Rights) -> bool:
    """Whether nobody comes in as that person yet, and `by` may let somebody: as `may_come_in_as`."""
    if not person.is_active or person.has_usable_password() or person.pk in rights.has_rights:
        return False
    return by.pk in rights.managers & rights.see_everyone or person.pk not in rights.watching


def invitation_states(*, invitations: Sequence[Invitation], at: datetime) -> list[str]:
    """What has become of each, in their order: as `Invitation.state`; revoked too once whoever made it may not invite
    so any more, or, where a command made it for the first administrator, once there is one.

    `made_by` and `person` are selected.
    """
    states = [each.state(at) for each in invitations]
    asked = [each for each, state in zip(invitations, states, strict=True) if state == "open"]
    people = {each.person_id for each in asked if each.person_id}
    rights = rights_of(makers={each.made_by_id for each in asked if each.made_by_id}, people=people)
    administered = is_administered()
    return [
        "revoked" if state == "open" and not _holds(each, rights, administered=administered) else state
        for each, state in zip(invitations, states, strict=True)
    ]


def invitation_state(*, invitation: Invitation, at: datetime) -> str:
    """What has become of it, as `invitation_states` says of many."""
    return invitation_states(invitations=[invitation], at=at)[0]


def is_administered() -> bool:
    return User.objects.filter(is_superuser=True, is_active=True).exists()


def _holds(invitation: Invitation, rights: Rights, *, administered: bool) -> bool:
    if invitation.by_command:
        return not administered
    by, team_id = invitation.made_by, invitation.team_id
    if by is None:
        return False
    return not why_not(role=invitation.role, team_id=team_id, person=invitation.person, by=by, rights=rights)
