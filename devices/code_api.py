"""The second factor of a sign-in by API: a code, because a program shows no passkey."""

from typing import Final

from django.utils import timezone
from rest_framework import status

from devices.account.account_log import proof_failed
from devices.account.attempts import WAIT_S
from devices.account.code_tries import code_tries_forget, code_try
from devices.account.second_factor import NEEDED, Factors, code_use, factors_of, must_have_one
from devices.errors import ApiError
from devices.models import User

_APP: Final = "Send the code of your authenticator app, or a recovery code, as `code`."
_PASSKEY: Final = (
    "Your second factor is a passkey, which needs a browser: send a recovery code as `code`, or make a token on the "
    "settings page."
)


def second_factor_ask(*, user: User, code: str) -> bool:
    """Go on where `user`, whose password was right, has no second factor, or `code` is one of its codes; whether they
    have one.

    Raises ApiError: 401 `second_factor_needed` or `wrong_code`, 403 `second_factor_required` for who must have one and
    has none, 429 `throttled`.
    """
    factors = factors_of(user=user)
    if not factors.are_on:
        if must_have_one(user=user):
            raise ApiError(status.HTTP_403_FORBIDDEN, "second_factor_required", NEEDED)
        return False
    if not code:
        raise ApiError(status.HTTP_401_UNAUTHORIZED, "second_factor_needed", _what(factors))
    at = timezone.now()
    if code_try(user=user, at=at) is None:
        raise ApiError(status.HTTP_429_TOO_MANY_REQUESTS, "throttled", "Too many tries.", retry_after=WAIT_S)
    if code_use(user=user, code=code, at=at) is None:
        proof_failed(user=user, what="second factor")
        raise ApiError(
            status.HTTP_401_UNAUTHORIZED, "wrong_code", f"The code is wrong, or was used before. {_what(factors)}"
        )
    code_tries_forget(user=user)
    return True


def _what(factors: Factors) -> str:
    return _APP if factors.app is not None else _PASSKEY
