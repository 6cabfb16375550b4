"""Invitations by link: made by who may, used once, by whoever holds the secret."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from devices.erasures import erased_among
from devices.hashing import new_secret, secret_hash
from devices.live import rights_changed
from devices.models import Invitation, TeamAnalyst, TeamWearer, User, Verb
from devices.rights.audit import audit_note
from devices.rights.invitation_rules import Invited, invitation_state, is_administered, rights_of, roles_of, why_not
from devices.rights.teams import may_manage_people, teams_managed

LOCK: Final = 0x7E1A_0006  # advisory lock: one first administrator at a time
Role = Invitation.Role
LIFETIME: Final = timedelta(days=7)
LONGEST: Final = timedelta(days=30)


class InvitationError(ValueError):
    """The invitation cannot be made so; the text says why."""


class InvitationOverError(Exception):
    """It cannot be used any more; the text is its state: `used`, `revoked` or `expired`."""


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation when it is made: the only time its secret is known."""

    invitation: Invitation
    secret: str


def roles_offered(*, by: User) -> list[str]:
    """As what `by` may invite: staff only as an administrator."""
    return roles_of(by=by, rights=rights_of(makers=[by.pk], people=[]))


def invitations_managed(*, user: User) -> QuerySet[Invitation]:
    """Those that `user` may see and revoke, newest first: all with the permission, else those to teams they lead."""
    found = Invitation.objects.select_related("team", "person", "made_by", "used_by").order_by("-pk")
    return found if may_manage_people(user) else found.filter(team__in=teams_managed(user=user))


def invitation_make(
    *, wanted: Invited, by: User, at: datetime, note: str = "", lifetime: timedelta = LIFETIME
) -> NewInvitation:
    """A link that holds for `lifetime`. Raises InvitationError where `by` may not invite so."""
    _check(wanted, by)
    _check_lifetime(lifetime)
    return _make(wanted, by=by, at=at, note=note, lifetime=lifetime)


def first_administrator_invite(*, at: datetime, lifetime: timedelta) -> NewInvitation | None:
    """An invitation as administrator where there is no active one, else None; the ones before it are revoked.

    Raises InvitationError for a lifetime that no invitation has.
    """
    _check_lifetime(lifetime)
    with transaction.atomic():
        _lock()
        Invitation.objects.filter(by_command=True, used_at=None, revoked_at=None).update(revoked_at=at)
        if is_administered():
            return None
        return _make(Invited(Role.ADMINISTRATOR), by=None, at=at, note="", lifetime=lifetime)


def _lock() -> None:
    """Until the transaction ends; before any row, so that nobody waits for somebody who waits for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _check_lifetime(lifetime: timedelta) -> None:
    if not timedelta() < lifetime <= LONGEST:
        raise InvitationError(f"An invitation holds for at most {LONGEST.days} days.")


def _make(wanted: Invited, *, by: User | None, at: datetime, note: str, lifetime: timedelta) -> NewInvitation:
    secret = new_secret()
    with transaction.atomic():
        invitation = Invitation.objects.create(
            secret_hash=secret_hash(secret),
            role=wanted.role,
            team=wanted.team,
            person=wanted.person,
            note=note,
            made_by=by,
            by_command=by is None,
            made_at=at,
            expires_at=at + lifetime,
        )
        audit_note(verb=Verb.INVITED, person=wanted.person, what=_what(invitation), by=by, at=at)
    return NewInvitation(invitation, secret)


def invitation_revoke(*, invitation: Invitation, by: User, at: datetime) -> bool:
    """Its link holds no more; whether it did."""
    with transaction.atomic():
        standing = Invitation.objects.filter(pk=invitation.pk, used_at=None, revoked_at=None, expires_at__gt=at)
        revoked = bool(standing.update(revoked_at=at, note=""))
        if revoked:
            what = _what(invitation)
            audit_note(verb=Verb.INVITATION_REVOKED, person=invitation.person, what=what, by=by, at=at)
    return revoked


def invitations_forget(*, at: datetime) -> int:
    """Empty the notes of those that expired by `at`; how many."""
    return Invitation.objects.exclude(note="").filter(expires_at__lte=at).update(note="")


def invitation_find(*, secret: str) -> Invitation | None:
    """The invitation with that secret, whatever has become of it."""
    rows = Invitation.objects.select_related("team", "person", "made_by")
    return rows.filter(secret_hash=secret_hash(secret)).first()


def invitation_accept(  # noqa: PLR0913  # what the invited choose, each by name
    *, invitation: Invitation, username: str, password: str, time_zone: str, display_name: str, at: datetime
) -> User:
    """The account of whoever was invited, made and in its team. Of two at once one gets it.

    Raises InvitationOverError where it holds no more, ValidationError by field where one cannot be.
    """
    with transaction.atomic():
        if invitation.by_command:
            _lock()
        locked = Invitation.objects.select_for_update(of=("self",)).select_related("team", "made_by")
        known = locked.get(pk=invitation.pk)
        if known.person_id:  # judged as they are once nobody else is giving them an account
            known.person = User.objects.select_for_update().get(pk=known.person_id)
        if (state := invitation_state(invitation=known, at=at)) != "open":
            raise InvitationOverError(state)
        user = known.person or _named(username)
        user.display_name, user.time_zone = display_name, time_zone
        _give_rights(user, known.role)
        _ensure_password(password, user)
        user.set_password(password)
        _save(user, invitation=known)
        Invitation.objects.filter(pk=known.pk).update(used_at=at, used_by=user, note="")
        changes = {"role": (None, known.role)}
        audit_note(verb=Verb.INVITATION_USED, person=user, what=_what(known), changes=changes, by=user, at=at)
        transaction.on_commit(rights_changed)
        return user


def _named(username: str) -> User:
    """A new person of that name; one that the stream uses already is nobody's for the asking."""
    if User.objects.filter(username=username).exists() or erased_among([username]):
        taken = "That user name is taken. If it is yours, ask whoever invited you for an invitation that names it."
        raise ValidationError({"username": taken})
    return User(username=username)


def _give_rights(user: User, role: str) -> None:
    user.is_wearer = user.is_wearer or role == Role.WEARER
    user.is_staff = user.is_staff or role in (Role.STAFF, Role.ADMINISTRATOR)
    user.is_superuser = user.is_superuser or role == Role.ADMINISTRATOR


def _ensure_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from None


def _save(user: User, *, invitation: Invitation) -> None:
    user.full_clean(exclude=["password"], validate_unique=False)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # somebody took the name, or the stream brought it, in between
        raise ValidationError({"username": "That user name is taken."}) from None
    if invitation.team is None:
        return
    if invitation.role == Role.WEARER:
        TeamWearer.objects.get_or_create(team=invitation.team, wearer=user)
    else:
        TeamAnalyst.objects.get_or_create(team=invitation.team, analyst=user)


def _check(wanted: Invited, by: User) -> None:
    """Raise InvitationError unless `by` may invite so."""
    person, team_id = wanted.person, wanted.team.pk if wanted.team else None
    rights = rights_of(makers=[by.pk], people=[person.pk] if person else [])
    if refusal := why_not(role=wanted.role, team_id=team_id, person=person, by=by, rights=rights):
        raise InvitationError(refusal)


def _what(invitation: Invitation) -> str:
    team = f", team {invitation.team_id}" if invitation.team_id else ""
    return f"invitation {invitation.pk} as {invitation.role}{team}"
