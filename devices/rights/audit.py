"""The audit log: changes, and reads of health data, by people.

A service calls `audit_note` in the transaction of its change, so that there is no change without its entry and no entry
without its change. Who did it and from where is known by the request that is being answered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final, Literal

from django.contrib.auth.models import Permission
from django.db import connection, models, transaction
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest
from django.utils import timezone

from devices.addresses import caller_address
from devices.models import AuditEntry, User, Verb, Way, named

_REQUEST: Final[ContextVar[HttpRequest | None]] = ContextVar("audit_request", default=None)
_LONGEST: Final = 200
# That they changed is told, and not to what, of every model: nothing rewrites what an entry says, so that a name in it
# would outlive its person; and a password is nobody's.
UNSAID: Final = frozenset(
    {
        "username",
        "display_name",
        "first_name",
        "last_name",
        "email",
        "password",
        "password1",
        "password2",
        "note",
        "assignee",
        "name",
        "description",
        "external_id",
        "source",
    }
)
Change = tuple[Any, Any]  # a field before and after


@dataclass(frozen=True, slots=True)
class Noted:
    """On whom, on what, with which fields before and after."""

    person: User | None
    what: str
    changes: Mapping[str, Change]


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """What is noted meanwhile was done by who asks, from there."""
    token = _REQUEST.set(request)
    try:
        yield
    finally:
        _REQUEST.reset(token)


def audit_note(  # noqa: PLR0913  # the columns of the log, each by name
    *,
    verb: Verb,
    person: User | None = None,
    what: str = "",
    changes: Mapping[str, Change] | None = None,
    by: User | None = None,
    at: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Note that `by` (else whoever is signed in at the request that is being answered, else nobody) did `verb`, on
    `person`, on `what` (`team 3`, `rule hypoxia`: nobody's name, no team's), with fields before and after in `changes`.

    Call it in the transaction of the change. Values of UNSAID are left out; never pass a secret or health data.
    """
    request = request or _REQUEST.get()
    noted = Noted(person, what, changes or {})
    _entry(verb, noted, by or _signed_in(request), at or timezone.now(), request).save(force_insert=True)


def audit_note_all(*, verb: Verb, noted: Iterable[Noted], by: User, at: datetime) -> None:
    """`audit_note` of many things that `by` did at once."""
    request = _REQUEST.get()
    AuditEntry.objects.bulk_create([_entry(verb, each, by, at, request) for each in noted], batch_size=500)


def _entry(verb: Verb, noted: Noted, by: User | None, at: datetime, request: HttpRequest | None) -> AuditEntry:
    return AuditEntry(
        at=at,
        way=_way(request),
        verb=verb,
        actor_key=by.pk if by else None,
        actor=by.username if by else "",
        person_key=noted.person.pk if noted.person else None,
        person=noted.person.username if noted.person else "",
        what=noted.what[:_LONGEST],
        changes={name: _said(name, change) for name, change in noted.changes.items()},
        address=_address(request),
    )


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """The fields of `after` that were something else before."""
    return {name: (before.get(name), value) for name, value in after.items() if before.get(name) != value}


def audit_entries(
    *,
    person: str = "",
    actor: str = "",
    verb: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """Entries about a person and by one (user ids, or the hash that stands for somebody erased) in [since, until),
    newest first; each filter along an index."""
    found = AuditEntry.objects.order_by("-at", "-pk")
    for name, column in ((person, "person"), (actor, "actor")):
        if name:
            key = User.objects.filter(named(name)).values_list("pk", flat=True).first()
            found = found.filter(**{f"{column}_key": key} if key else {f"{column}_key": None, column: name})
    if verb:
        found = found.filter(verb=verb)
    if since is not None:
        found = found.filter(at__gte=since)
    return found if until is None else found.filter(at__lt=until)


def audit_forget(*, user_id: int, name: str, rows: int) -> bool:
    """Put `name`, a keyed hash, in the place of an erased person's in at most `rows` entries; whether any.

    The address goes where they acted, and where nobody else did: it is theirs by a link, a token or a failed sign-in.
    """
    changed = 0
    with audit_door("erasure"):
        for key, column, theirs in (("actor_key", "actor", Q()), ("person_key", "person", Q(actor_key=None))):
            found = AuditEntry.objects.filter(**{key: user_id}).order_by("pk").values_list("pk", flat=True)[:rows]
            address = Case(When(theirs, then=None), default="address") if theirs else None
            values: dict[str, Any] = {key: None, column: name, "address": address}
            changed += AuditEntry.objects.filter(pk__in=list(found)).update(**values)
    return changed > 0


def audit_drop(*, before: datetime) -> int:
    """Delete what is older, as the retention says; how many."""
    with audit_door("retention"):
        return AuditEntry.objects.filter(at__lt=before).delete()[0]


@contextmanager
def audit_door(name: Literal["erasure", "retention"]) -> Iterator[None]:
    """A transaction in which the trigger lets through what erasure (updates) or retention (deletes) does to the log."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('telara.audit_door', %s, true)", [name])
        yield
        cursor.execute("SELECT set_config('telara.audit_door', '', true)")


def caller_now() -> str | None:
    """The address that asks, as the log keeps it; None where no request is being answered."""
    return _address(_REQUEST.get())


def _signed_in(request: HttpRequest | None) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) and user.is_authenticated else None


def _way(request: HttpRequest | None) -> Way:
    if request is None:
        return Way.INSIDE
    return (
        Way.API if request.path.startswith("/api/") else Way.ADMIN if request.path.startswith("/admin/") else Way.PAGE
    )


def _address(request: HttpRequest | None) -> str | None:
    """The caller's address; of IPv6 the first of its network."""
    written = caller_address(request).partition("/")[0] if request else ""
    try:
        return str(ip_address(written))
    except ValueError:
        return None


def _said(name: str, change: Change) -> list[Any]:
    """`[before, after]` as the log keeps them; empty for what is left unsaid."""
    return [] if name in UNSAID else [_plain(value) for value in change]


def _plain(value: Any) -> Any:
    """People by number, what else is no plain value as text; nothing long."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, User):
        return f"person {value.pk}"
    if isinstance(value, models.Model) and not isinstance(value, Permission):
        return f"{value._meta.verbose_name} {value.pk}"  # its own words may name somebody
    if isinstance(value, models.QuerySet | Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value[:50]]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)[:_LONGEST]
