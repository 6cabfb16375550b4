"""Who looked at whose data: noted once an hour for each who looked, person and way."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from redis.exceptions import RedisError

from devices.models import Look, User, Verb, named
from devices.rights.audit import audit_note
from devices.rights.watching import watchers_of
from devices.selectors import sees_everyone

log = structlog.get_logger(__name__)
HOUR: Final = timedelta(hours=1)
_ONCE: Final = """
INSERT INTO devices_look (person_id, viewer_id, way, hour, at)
SELECT person.id, viewer.id, seen.way, date_trunc('hour', seen.at, 'UTC'), seen.at
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[]) AS seen (person, viewer, way, at)
  JOIN devices_user person ON person.id = seen.person
  JOIN devices_user viewer ON viewer.id = seen.viewer
 ORDER BY person.id, viewer.id, seen.way, seen.at
ON CONFLICT DO NOTHING
RETURNING at, way, person_id, (SELECT username FROM devices_user WHERE id = person_id),
                   viewer_id, (SELECT username FROM devices_user WHERE id = viewer_id)
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """That `viewer` saw data of `person` (both by key) at a moment; `origin` is what they asked with, where one is
    known."""

    viewer: int
    person: int
    way: Look.Way
    at: datetime
    origin: HttpRequest | None = None

    @property
    def key(self) -> str:
        """One of each hour."""
        return f"look:{self.viewer}:{self.person}:{self.way}:{self.at.astimezone(UTC):%Y%m%d%H}"


def look_note(*, viewer: User, person_id: int | None, way: Look.Way, at: datetime) -> None:
    """Note that `viewer` saw data of that person. Their own is nobody's business, unless it was taken along.

    Costs a look into the cache; once an hour, or while Redis is away, an insert that does nothing the second time. The
    audit log has it too.
    """
    if person_id is None or (person_id == viewer.pk and way != Look.Way.EXPORT):
        return
    looks_note([Sighting(viewer.pk, person_id, way, at)])


def looks_note(seen: Iterable[Sighting]) -> None:
    """Note many at once, none of them of somebody's own: a look into the cache; of those that are new, an insert, and
    an entry of the audit log each."""
    by_key = {sighting.key: sighting for sighting in seen}
    noted = _noted(by_key)
    new = {key: sighting for key, sighting in by_key.items() if key not in noted}
    if not new:
        return
    with transaction.atomic():
        for sighting, person, viewer in _looks_add(new):
            verb = Verb.EXPORTED if sighting.way == Look.Way.EXPORT else Verb.LOOKED
            what, at = Look.Way(sighting.way).label, sighting.at
            audit_note(verb=verb, person=person, what=what, by=viewer, at=at, request=sighting.origin)
    _remember(new)


def bytes_note(*, viewer: User, name: str, message: int, at: datetime) -> None:
    """Note that `viewer` saw the bytes of a refused message, of whom `name`, its key, names, or of nobody; once
    an hour."""
    key = f"bytes:{viewer.pk}:{message}:{at:%Y%m%d%H}"
    if _noted([key]):
        return
    person = User.objects.filter(named(name)).first()
    with transaction.atomic():
        if person is not None and person != viewer:
            sighting = Sighting(viewer.pk, person.pk, Look.Way.BYTES, at)
            _looks_add({sighting.key: sighting})
        audit_note(verb=Verb.OPENED_BYTES, person=person, what=f"refused message {message}", by=viewer, at=at)
    _remember([key])


def _looks_add(seen: Mapping[str, Sighting]) -> list[tuple[Sighting, User, User]]:
    """Those that are the first of their hour, with the person and the viewer as the log calls them; who is gone saw
    nothing."""
    rows = [(each.person, each.viewer, each.way, each.at) for each in seen.values()]
    with connection.cursor() as cursor:
        cursor.execute(_ONCE, [list(column) for column in zip(*rows, strict=True)])
        found = cursor.fetchall()
    first = []
    for at, way, person, person_name, viewer, viewer_name in found:
        key = Sighting(viewer, person, way, at).key
        first.append((seen[key], User(pk=person, username=person_name), User(pk=viewer, username=viewer_name)))
    return first


def looks_at(*, person: User) -> QuerySet[Look]:
    """Who looked at the data of `person`, newest first, with them."""
    return Look.objects.filter(person=person).select_related("viewer").order_by("-at", "-pk")


def who_sees(*, person: User) -> tuple[list[User], list[User]]:
    """The people who may see the data of `person`: those who watch them, and those who may see everybody."""
    watchers = watchers_of(wearers=User.objects.filter(pk=person.pk)).exclude(pk=person.pk).order_by("username")
    everybody = User.objects.filter(sees_everyone()).exclude(pk=person.pk)
    all_seers = sorted(everybody, key=lambda user: user.username)
    seers = {user.pk for user in all_seers}
    return [user for user in watchers if user.pk not in seers], all_seers


def _noted(keys: Iterable[str]) -> Collection[str]:
    """Those of these keys that are remembered; none while Redis is away."""
    try:
        return cache.get_many(list(keys)).keys()
    except RedisError as error:
        log.warning("look.not_cached", error=str(error))
        return ()


def _remember(keys: Iterable[str]) -> None:
    try:
        cache.set_many(dict.fromkeys(keys, 1), HOUR.total_seconds())
    except RedisError as error:
        log.warning("look.not_cached", error=str(error))
