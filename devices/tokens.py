"""Keys to the API: people's, which expire, and devices', which may only send their wearer's readings."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from devices.hashing import new_secret, secret_hash
from devices.live import rights_changed
from devices.models import ApiToken, Device, User, Verb
from devices.rights.audit import audit_note

USED_EVERY = timedelta(minutes=1)  # last_used_at and last_seen_at are touched no oftener


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token when it is made: the only time its secret is known."""

    token: ApiToken
    secret: str


def token_make(*, user: User, at: datetime, lifetime: timedelta, name: str = "") -> NewToken:
    """A key for `user` that expires `lifetime` after `at`; `name` is what it is for."""
    secret = new_secret()
    with transaction.atomic():
        token = ApiToken.objects.create(user=user, token_hash=secret_hash(secret), expires_at=at + lifetime, name=name)
        audit_note(verb=Verb.TOKEN_MADE, person=user, what=f"token {token.pk}", at=at)
    return NewToken(token, secret)


def token_find(*, secret: str, at: datetime) -> ApiToken | None:
    """The key with that secret, if it holds at `at` and its person is active; notes the use once a minute."""
    rows = ApiToken.objects.filter(token_hash=secret_hash(secret), expires_at__gt=at, user__is_active=True)
    token = rows.select_related("user").first()
    if token is not None and (token.last_used_at is None or token.last_used_at <= at - USED_EVERY):
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=at - USED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=at)
    return token


def token_revoke(*, token: ApiToken) -> None:
    """End a key at once, also for the sockets that were opened with it."""
    with transaction.atomic():
        audit_note(verb=Verb.TOKEN_REVOKED, person=token.user, what=f"token {token.pk}")
        token.delete()
        transaction.on_commit(rights_changed)


def tokens_drop_expired(*, at: datetime) -> int:
    """Delete keys that expired before `at`; how many."""
    return ApiToken.objects.filter(expires_at__lte=at).delete()[0]


def device_token_make(*, device: Device, at: datetime) -> str:
    """A new secret for `device`; the one before it ends."""
    secret = new_secret()
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(token_hash=secret_hash(secret), token_made_at=at)
        audit_note(verb=Verb.DEVICE_TOKEN_MADE, person=device.user, what=f"device {device.pk}", at=at)
    return secret


def device_token_revoke(*, device: Device) -> bool:
    """End the token of `device`; whether it had one."""
    rows = Device.objects.filter(pk=device.pk, token_hash__isnull=False)
    with transaction.atomic():
        had_one = bool(rows.update(token_hash=None, token_made_at=None))
        if had_one:
            audit_note(verb=Verb.DEVICE_TOKEN_REVOKED, person=device.user, what=f"device {device.pk}")
    return had_one


def device_find(*, secret: str) -> Device | None:
    """The device with that token, if its wearer is active."""
    return Device.objects.filter(token_hash=secret_hash(secret), user__is_active=True).select_related("user").first()
