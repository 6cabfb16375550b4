"""Being forgotten: asked for, taken back, and what is left of whom.

Of somebody who was forgotten a keyed hash of their name remains, so that what still comes for it is not stored. The key
is a setting; without it the hash of a guessed name cannot be made.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Coalesce

from devices.account.mail_news import news_note
from devices.models import ErasedPerson, Erasure, User, Verb
from devices.rights.audit import audit_note

REPLACED: Final = "somebody"  # what stands where a name of somebody who was forgotten stood
_PURPOSE: Final = b"telara.erased-people"


@dataclass(frozen=True, slots=True)
class Failing:
    """Erasures that could not go on when they were last tried: how many, since when the first, and of what."""

    count: int
    since: datetime
    failures: tuple[str, ...]


def erasure_ask(*, user: User, at: datetime, grace: timedelta) -> Erasure:
    """Delete all that is kept of `user`, after `grace`; asking again changes nothing."""
    wanted = {"username": user.username, "asked_at": at, "due_at": at + grace}
    with transaction.atomic():
        erasure, is_new = Erasure.objects.get_or_create(user=user, defaults=wanted)
        if is_new:
            audit_note(verb=Verb.ERASURE_ASKED, person=user, at=at)
            news_note(user=user, verb=Verb.ERASURE_ASKED)
    return erasure


def erasure_undo(*, user: User) -> bool:
    """Take it back; False where nothing was asked for, or it has begun."""
    with transaction.atomic():
        undone = Erasure.objects.filter(user=user, begun_at__isnull=True).delete()[0] > 0
        if undone:
            audit_note(verb=Verb.ERASURE_UNDONE, person=user)
    return undone


def erasure_of(*, user: User) -> Erasure | None:
    """What `user` asked for."""
    return Erasure.objects.filter(user=user).first()


def erasures_tried(*, broken: Mapping[int, str], well: Collection[int], at: datetime) -> None:
    """Note which erasures could not go on at `at` (of whom: the name of the error's type), and which, `well`, did."""
    Erasure.objects.filter(pk__in=well, failing_since__isnull=False).update(failing_since=None, failure="")
    for user_id, failure in broken.items():
        since = Coalesce("failing_since", at)
        Erasure.objects.filter(pk=user_id).update(failing_since=since, failure=failure[:64])


def erasures_failing() -> Failing | None:
    """Those that could not go on; None where there are none."""
    rows = Erasure.objects.filter(failing_since__isnull=False).values_list("failing_since", "failure")
    found = [(since, failure) for since, failure in rows if since is not None]
    if not found:
        return None
    return Failing(len(found), min(since for since, _ in found), tuple(sorted({failure for _, failure in found})))


def name_hash(name: str) -> str:
    """HMAC-SHA256 of a name of the stream, hexadecimal, under a key derived from TELARA_ERASURE_KEY, or SECRET_KEY."""
    secret = settings.TELARA_ERASURE_KEY or settings.SECRET_KEY
    key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    return hmac.new(key, name.encode(), sha256).hexdigest()


def erased_remember(*, name: str, at: datetime) -> None:
    """From here on nothing is stored for that name."""
    ErasedPerson.objects.get_or_create(name_hash=name_hash(name), defaults={"erased_at": at})


def erased_among(names: Collection[str]) -> set[str]:
    """Those of these names that belong to somebody who was forgotten, and to nobody since.

    One query, none without names, and a second where there are such.
    """
    if not names:
        return set()
    hashes = {name_hash(name): name for name in names}
    found = ErasedPerson.objects.filter(name_hash__in=hashes).values_list("name_hash", flat=True)
    erased = {hashes[each] for each in found}
    return erased.difference(User.objects.filter(username__in=erased).values_list("username", flat=True))
