"""Who looked at whose data: noted once an hour for each who looked, person and way."""

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import QuerySet
from redis.exceptions import RedisError

from devices.models import Look, User, Verb, named
from devices.rights.audit import audit_note
from devices.rights.watching import watchers_of
from devices.selectors import sees_everyone

log = structlog.get_logger(__name__)
HOUR: Final = timedelta(hours=1)
_ONCE: Final = """
INSERT INTO devices_look (person_id, viewer_id, way, hour, at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
RETURNING (SELECT username FROM devices_user WHERE id = person_id)
"""


def look_note(*, viewer: User, person_id: int | None, way: Look.Way, at: datetime) -> None:
    """Note that `viewer` saw data of that person. Their own is nobody's business, unless it was taken along.

    Costs a look into the cache; once an hour, or while Redis is away, an insert that does nothing the second time. The
    audit log has it too.
    """
    if person_id is None or (person_id == viewer.pk and way != Look.Way.EXPORT):
        return
    key = f"look:{viewer.pk}:{person_id}:{way}:{at:%Y%m%d%H}"
    if _is_noted(key):
        return
    with transaction.atomic():
        name = _look_add(viewer, person_id, way, at)
        if name is not None:
            verb = Verb.EXPORTED if way == Look.Way.EXPORT else Verb.LOOKED
            person = User(pk=person_id, username=name)
            audit_note(verb=verb, person=person, what=Look.Way(way).label, by=viewer, at=at)
    _remember(key)


def bytes_note(*, viewer: User, name: str, message: int, at: datetime) -> None:
    """Note that `viewer` saw the bytes of a refused message, of whom `name`, its key, names, or of nobody; once
    an hour."""
    key = f"bytes:{viewer.pk}:{message}:{at:%Y%m%d%H}"
    if _is_noted(key):
        return
    person = User.objects.filter(named(name)).first()
    with transaction.atomic():
        if person is not None and person != viewer:
            _look_add(viewer, person.pk, Look.Way.BYTES, at)
        audit_note(verb=Verb.OPENED_BYTES, person=person, what=f"refused message {message}", by=viewer, at=at)
    _remember(key)


def _look_add(viewer: User, person_id: int, way: Look.Way, at: datetime) -> str | None:
    """The user_id of that person where it is the first look of its hour, else None."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_ONCE, [person_id, viewer.pk, way, hour, at])
        row = cursor.fetchone()
        return str(row[0]) if row else None


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


def _is_noted(key: str) -> bool:
    try:
        return cache.get(key) is not None
    except RedisError as error:
        log.warning("look.not_cached", error=str(error))
        return False


def _remember(key: str) -> None:
    try:
        cache.set(key, 1, HOUR.total_seconds())
    except RedisError as error:
        log.warning("look.not_cached", error=str(error))
