"""Setting a password, and the link that lets somebody do it who forgot theirs."""

from typing import Final

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from devices.account.account_log import account_changed
from devices.account.sessions import sessions_end
from devices.live import rights_changed
from devices.models import ApiToken, User, Verb

_MOST: Final = 200  # characters of a link's secret; ours are shorter


def password_set(*, user: User, password: str, verb: Verb, keep: str | None = None) -> None:
    """Set it, and sign `user` out everywhere but in the session with the key `keep`. Tokens stay: see tokens_revoke."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        account_changed(user=user, verb=verb)
        sessions_end(user=user, but=keep)


def tokens_revoke(*, user: User) -> int:
    """End all API tokens of `user`, also for the sockets that were opened with them; how many."""
    with transaction.atomic():
        gone = ApiToken.objects.filter(user=user).delete()[0]
        if gone:
            account_changed(user=user, verb=Verb.TOKEN_REVOKED, what="all of them")
            transaction.on_commit(rights_changed)
    return gone


def link_secret(*, user: User) -> str:
    """What a link must hold to set a new password once, within PASSWORD_RESET_TIMEOUT, and before the next sign-in."""
    number = urlsafe_base64_encode(str(user.pk).encode())
    return f"{number}.{default_token_generator.make_token(user)}"


def link_person(*, secret: str) -> User | None:
    """Whose link it is, if it still holds."""
    number, _, token = secret[:_MOST].partition(".")
    try:
        key = int(urlsafe_base64_decode(number))
    except ValueError:
        return None
    if not 0 < key < 2**63:
        return None
    user = User.objects.filter(pk=key, is_active=True).first()
    return user if user is not None and default_token_generator.check_token(user, token) else None
