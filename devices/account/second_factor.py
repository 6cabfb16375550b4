"""What somebody signs in with besides the password: an authenticator app, passkeys, and recovery codes for the day on
which neither is at hand.

The rows are django-allauth's. A code of the app is counted: each works once, and none that is older than the last one
used; a recovery code works once. That is kept in the row, under its lock, and so needs no cache.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.db import transaction

from devices.account.account_log import account_changed
from devices.account.sessions import sessions_end
from devices.models import User, Verb
from devices.sealing import UnreadableError

log = structlog.get_logger(__name__)
Kind = Authenticator.Type
REAL: Final = (Kind.TOTP, Kind.WEBAUTHN)  # recovery codes alone are no second factor
PERIOD_S: Final = 30
TOLERANCE: Final = 1  # periods before and after: clocks of phones
NEEDED: Final = "Staff need a second factor here. Sign in on the website, and set one up under Settings, Security."


class LastFactorError(Exception):
    """Somebody who must have a second factor would be left without."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What somebody has."""

    app: Any | None
    passkeys: tuple[Any, ...]
    codes: Any | None

    @property
    def are_on(self) -> bool:
        return self.app is not None or bool(self.passkeys)


def factors_of(*, user: User) -> Factors:
    rows = list(Authenticator.objects.filter(user=user).order_by("pk"))
    by_kind = {row.type: row for row in rows}
    passkeys = tuple(row for row in rows if row.type == Kind.WEBAUTHN)
    return Factors(by_kind.get(Kind.TOTP), passkeys, by_kind.get(Kind.RECOVERY_CODES))


def has_second_factor(*, user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type__in=REAL).exists())


def with_second_factor(*, users: Collection[int]) -> set[int]:
    """Which of these, by key, have one."""
    return set(Authenticator.objects.filter(user__in=users, type__in=REAL).values_list("user", flat=True))


def must_have_one(*, user: User) -> bool:
    """Whether the settings ask it of this person."""
    return bool(settings.TELARA_STAFF_SECOND_FACTOR and user.is_staff)


def lacks_second_factor(*, user: User) -> bool:
    """Whether they must have one, and have none: then they may do nothing but set one up."""
    return must_have_one(user=user) and not has_second_factor(user=user)


def code_use(*, user: User, code: str, at: datetime) -> Any | None:
    """The factor whose code for `at` this is, or None. It works no second time.

    A factor whose secret is unreadable since SECRET_KEY changed gives no code; the others still do.
    """
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update().filter(user=user).exclude(type=Kind.WEBAUTHN)
        for factor in rows.order_by("-type"):
            try:
                is_right = _app_code_use(factor, code, at) if factor.type == Kind.TOTP else _recovery_use(factor, code)
            except UnreadableError:
                log.error("account.unreadable", user_id=user.username, reason="SECRET_KEY changed")
                continue
            if is_right:
                Authenticator.objects.filter(pk=factor.pk).update(last_used_at=at)
                return factor
    return None


def _app_code_use(factor: Any, code: str, at: datetime) -> bool:
    counter = counter_of(secret=decrypt(factor.data["secret"]), code=code, at=at, after=factor.data.get("counter", -1))
    if counter is None:
        return False
    factor.data["counter"] = counter
    factor.save(update_fields=["data"])
    return True


def _recovery_use(factor: Any, code: str) -> bool:
    is_right = bool(RecoveryCodes(factor).validate_code(code))
    if is_right:
        account_changed(user=factor.user, verb=Verb.CODE_USED)
    return is_right


def counter_of(*, secret: str, code: str, at: datetime, after: int = -1) -> int | None:
    """The period (RFC 6238: 30 s since the epoch) around `at`, later than `after`, whose code this is."""
    now = int(at.timestamp()) // PERIOD_S
    for counter in range(max(after + 1, now - TOLERANCE), now + TOLERANCE + 1):
        if compare_user_code(actual=code, expected=code_at(secret=secret, counter=counter)):
            return counter
    return None


def code_at(*, secret: str, counter: int) -> str:
    """The six digits that an app shows in that period."""
    return str(format_hotp_value(hotp_value(secret, counter)))


def app_secret_new() -> str:
    """A secret for an app: 160 random bits in base 32."""
    return str(generate_totp_secret())


def app_add(*, user: User, secret: str, code: str, at: datetime, keep: str | None = None) -> bool:
    """Turn the app on, if `code` shows that it knows the secret; one that was there before is replaced.

    With the first factor every session ends but the one with the key `keep`: none of them was asked for it.
    """
    counter = counter_of(secret=secret, code=code, at=at)
    if counter is None:
        return False
    with transaction.atomic():
        _begin(user, keep)
        Authenticator.objects.filter(user=user, type=Kind.TOTP).delete()
        factor = TOTP.activate(user, secret).instance
        factor.data["counter"] = counter
        factor.save(update_fields=["data"])
        account_changed(user=user, verb=Verb.FACTOR_ADDED, what="authenticator app")
        _codes_ensure(user)
    return True


def passkey_add(*, user: User, name: str, credential: dict[str, Any], keep: str | None = None) -> None:
    """Keep a passkey whose registration was checked. With the first factor sessions end as in app_add."""
    with transaction.atomic():
        _begin(user, keep)
        Authenticator.objects.create(user=user, type=Kind.WEBAUTHN, data={"name": name, "credential": credential})
        account_changed(user=user, verb=Verb.FACTOR_ADDED, what="passkey")
        _codes_ensure(user)


def factors_hold(*, user: User) -> None:
    """Wait for whoever sets a factor of `user` up, or lets `user` in, and have others wait until the transaction ends.

    So who comes in by the password alone is in before the first factor is there, and out with it.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _begin(user: User, keep: str | None) -> None:
    """One set-up of `user` at a time: of two at once the second finds what the first made."""
    factors_hold(user=user)
    if not has_second_factor(user=user):
        sessions_end(user=user, but=keep)


def passkey_rename(*, passkey: Any, name: str) -> None:
    with transaction.atomic():
        passkey.data["name"] = name
        passkey.save(update_fields=["data"])
        account_changed(user=passkey.user, verb=Verb.FACTOR_RENAMED)


def factor_remove(*, factor: Any) -> None:
    """Take an app or a passkey away; recovery codes go with the last one. Raises LastFactorError."""
    user: User = factor.user
    with transaction.atomic():
        mine = list(Authenticator.objects.select_for_update().filter(user=user))
        is_last = not [row for row in mine if row.type in REAL and row.pk != factor.pk]
        if is_last and must_have_one(user=user):
            raise LastFactorError
        factor.delete()
        if is_last:
            Authenticator.objects.filter(user=user).delete()
        what = "authenticator app" if factor.type == Kind.TOTP else "passkey"
        account_changed(user=user, verb=Verb.FACTOR_REMOVED, what=what)


def factors_take_away(*, user: User, by: User | None = None) -> bool:
    """Take everything away from somebody who lost it; whether there was any. They sign in by password then."""
    with transaction.atomic():
        gone: int = Authenticator.objects.filter(user=user).delete()[0]
        if gone:
            account_changed(user=user, verb=Verb.FACTOR_REMOVED, what="all of them", by=by)
    return bool(gone)


def codes_left(*, user: User) -> Sequence[str]:
    """The recovery codes that were not used yet. Raises UnreadableError."""
    factor = Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).first()
    return [] if factor is None else list(RecoveryCodes(factor).get_unused_codes())


def codes_renew(*, user: User) -> None:
    """Make new recovery codes; those before no longer work. Nothing for who has no second factor."""
    with transaction.atomic():
        factors_hold(user=user)
        if has_second_factor(user=user):
            Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).delete()
            _codes_ensure(user, told="")


def _codes_ensure(user: User, told: str | None = None) -> None:
    """Make recovery codes where there are none; with a factor they come by themselves, and nobody is told."""
    if not Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).exists():
        RecoveryCodes.activate(user)
        account_changed(user=user, verb=Verb.CODES_MADE, told=told)


def passkey_used(*, passkey: Any, at: datetime) -> None:
    """A passkey was shown. Of codes code_use takes note by itself."""
    Authenticator.objects.filter(pk=passkey.pk).update(last_used_at=at)
