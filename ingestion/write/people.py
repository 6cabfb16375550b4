"""Whose readings these are: usernames to people, the unknown ones made or refused."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from secrets import token_urlsafe

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection

from devices.arrays import array_text
from devices.erasures import erased_among
from devices.models import User


def resolve_people(usernames: list[str], *, provision: bool, at: datetime) -> dict[str, int]:
    """The ids of `usernames`, in their order; unknown ones are made where `provision`, else missing, as are those of
    people who were erased.

    One query where all are known. New people have an unusable password and wear something.
    """
    known = _lookup(usernames)
    unknown = set(usernames) - known.keys()
    if unknown and provision:
        new = sorted(unknown - erased_among(unknown))
        _provision(new, at)
        known |= _lookup(new)
    return {name: known[name] for name in usernames if name in known}


def people_changed(known: Mapping[str, int], *, writer: int) -> tuple[set[str], dict[int, int | None]]:
    """The usernames of `known` that do not stand for these wearers any more; and of the others those for whom somebody
    else than `writer` writes, or nobody (None), with that."""
    if not known:
        return set(), {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.name, n.id, u.id IS NULL, w.writer FROM unnest(%s::text[], %s::bigint[]) AS n (name, id)"
            " LEFT JOIN devices_user u ON u.id = n.id AND u.username = n.name AND u.is_wearer"
            " LEFT JOIN ingestion_personwriter w ON w.user_id = u.id WHERE w.writer IS DISTINCT FROM %s",
            [array_text(known), array_text(known.values()), writer],
        )
        rows = cursor.fetchall()
    gone = {name for name, _, is_gone, _ in rows if is_gone}
    return gone, {user_id: other for _, user_id, is_gone, other in rows if not is_gone}


def _lookup(usernames: list[str]) -> dict[str, int]:
    found = User.objects.filter(username__in=usernames).values_list("username", "pk", "is_wearer")
    known = {username: (pk, is_wearer) for username, pk, is_wearer in found}
    newly = [pk for pk, is_wearer in known.values() if not is_wearer]
    if newly:
        User.objects.filter(pk__in=newly, is_wearer=False).update(is_wearer=True)
    return {username: pk for username, (pk, _) in known.items()}


def _provision(usernames: list[str], at: datetime) -> None:
    """One set insert, in order of name, so that two consumers cannot wait for each other in a circle."""
    people = [User(username=name, password=_unusable(), is_wearer=True, date_joined=at) for name in usernames]
    User.objects.bulk_create(people, ignore_conflicts=True)


def _unusable() -> str:
    """As `make_password(None)`, which takes a thousand times as long."""
    return UNUSABLE_PASSWORD_PREFIX + token_urlsafe(30)


def register_devices(spoke: Iterable[tuple[int, str, datetime]], *, at: datetime) -> None:
    """Register what spoke: person, kind, and when it was seen; each is touched at most once a minute."""
    ordered = sorted(spoke)
    if not ordered:
        return
    users, kinds, seen = zip(*ordered, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO devices_device (user_id, kind, external_id, last_seen_at, created_at)"
            " SELECT *, %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[])"
            " ON CONFLICT (user_id, kind, external_id) DO UPDATE SET last_seen_at = excluded.last_seen_at"
            " WHERE devices_device.last_seen_at IS NULL"
            " OR devices_device.last_seen_at < excluded.last_seen_at - interval '1 minute'",
            [
                at,
                list(users),
                list(kinds),
                [""] * len(users),
                list(seen),
            ],
        )
