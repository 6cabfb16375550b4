"""Where somebody is signed in: noted when a session is used, listed for its person, ended by them.

The rows are django-allauth's. What a session may do is Django's own business; a row only tells of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from typing import Any, Final

import structlog
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now
from redis.exceptions import RedisError

from devices.account.account_log import account_changed
from devices.account.browsers import browser_of
from devices.account.under_way import under_way_of
from devices.hashing import secret_hash
from devices.live import session_ended
from devices.models import User, Verb

log = structlog.get_logger(__name__)
NOTED_EVERY: Final = timedelta(minutes=2)
UNKNOWN_ADDRESS: Final = "::"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One session as its person reads it."""

    number: int
    is_this: bool
    browser: str
    address: str
    since: datetime
    last_seen_at: datetime


def session_note(*, user: User, session_key: str, address: str, agent: str, at: datetime) -> None:
    """Note that a session is in use; costs a look into the cache, and every two minutes a write.

    While Redis is away nothing is noted: the list is then of a while ago, and pages do not wait for it.
    """
    try:
        if not cache.add(f"session:{secret_hash(session_key)}", 1, NOTED_EVERY.total_seconds()):
            return
    except RedisError as error:
        log.warning("session.not_noted", error=str(error))
        return
    seen = UserSession(
        user=user,
        session_key=session_key,
        ip=_plain(address),
        user_agent=agent[: UserSession._meta.get_field("user_agent").max_length].replace("\x00", ""),
        created_at=at,
        last_seen_at=at,
    )
    changed = ["user", "ip", "user_agent", "last_seen_at"]
    UserSession.objects.bulk_create([seen], update_conflicts=True, unique_fields=["session_key"], update_fields=changed)


def sessions_of(*, user: User, this: str | None) -> list[SignedIn]:
    """The sessions of `user` that still hold, this one first, then by when they were last used."""
    rows = UserSession.objects.filter(user=user, session_key__in=_live()).order_by("-last_seen_at", "-pk")
    found = [
        SignedIn(
            number=row.pk,
            is_this=row.session_key == this,
            browser=browser_of(row.user_agent),
            address="" if row.ip == UNKNOWN_ADDRESS else row.ip,
            since=row.created_at,
            last_seen_at=row.last_seen_at,
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: not each.is_this)


def session_end(*, user: User, number: int) -> bool:
    """Sign one session of `user` out, with its sockets; False where they have none of that number."""
    rows = UserSession.objects.filter(user=user, pk=number, session_key__in=_live())
    found = list(rows.values_list("session_key", flat=True))
    with transaction.atomic():
        _drop(found)
        if found:
            account_changed(user=user, verb=Verb.SESSION_ENDED)
    return bool(found)


def sessions_end(*, user: User, but: str | None = None, by: User | None = None) -> int:
    """Sign every session of `user` out, but the one with the key `but`; how many. Those too that nobody noted, because
    Redis was away, and those where only the second factor is still asked for."""
    with transaction.atomic():
        count = sessions_drop(user_id=user.pk, but=but)
        if count:
            account_changed(user=user, verb=Verb.SESSION_ENDED, by=by)
    return count


def sessions_drop(*, user_id: int, but: str | None = None) -> int:
    """As sessions_end, without an entry in the audit log. Sessions say whose they are only once they are read."""
    running = Session.objects.filter(expire_date__gt=Now()).exclude(session_key=but or "")
    mine = [each.pk for each in running.iterator() if session_person(each.get_decoded()) == str(user_id)]
    with transaction.atomic():
        _drop(mine)
    return len(mine)


def session_person(session: Mapping[str, Any]) -> str | None:
    """The key, as text, of who is signed in there, or about to be."""
    return session.get(SESSION_KEY) or under_way_of(session)


def sessions_forget() -> int:
    """Drop what is known of sessions that are over; how many."""
    gone: int = UserSession.objects.exclude(session_key__in=_live()).delete()[0]
    return gone


def _live() -> Any:
    return Session.objects.filter(expire_date__gt=Now()).values("session_key")


def _drop(keys: Sequence[str]) -> None:
    """End the sessions with these keys, with their sockets, and what is known of them; in the caller's transaction."""
    Session.objects.filter(pk__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    for key in keys:
        transaction.on_commit(partial(session_ended, session_key=key))


def _plain(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        return UNKNOWN_ADDRESS
