"""Showing who one is: a second factor, or the password; with the limits of tries, and what to say."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from dashboard.account.passkeys import hindrance, options_to_show, passkey_shown
from devices.account.account_log import proof_failed
from devices.account.attempts import WAIT_S, WAIT_TEXT, attempt_failed, attempts_forget, attempts_left, tries
from devices.account.code_tries import code_tries_forget, code_try
from devices.account.second_factor import code_use, factors_of, passkey_used
from devices.addresses import caller_address
from devices.models import User

LONGEST_CODE: Final = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of it: nothing to say where it is they."""

    problem: str = ""
    status: int = 200

    @property
    def is_right(self) -> bool:
        return not self.problem


_WAIT: Final = Proof(WAIT_TEXT, 429)


def factor_proof(request: HttpRequest, user: User) -> Proof:
    """POST of `code`, or of the `credential` of a passkey."""
    at = timezone.now()
    left = code_try(user=user, at=at)
    if left is None:
        return _WAIT
    answer = request.POST.get("credential")
    if answer:
        factor, what = passkey_shown(user, answer), "That passkey was not accepted."
        if factor is not None:
            passkey_used(passkey=factor, at=at)
    else:
        code = request.POST.get("code", "")[:LONGEST_CODE]
        factor, what = code_use(user=user, code=code, at=at), "That code is wrong, or was used before."
    if factor is None:
        proof_failed(user=user, what="second factor")
        return Proof(f"{what} {tries(left)} left before a wait of 5 minutes." if left else WAIT_TEXT, 400)
    code_tries_forget(user=user)
    return Proof()


def password_proof(request: HttpRequest, user: User, password: str) -> Proof:
    """Whether that is the password of `user`; counted as a try to sign in."""
    who = {"username": user.username, "address": caller_address(request)}
    if not attempts_left(**who):
        return _WAIT
    if not user.check_password(password):
        proof_failed(user=user, what="password, once in")
        left = attempt_failed(**who)
        problem = f"That is not your password. {tries(left)} left before a wait of 5 minutes."
        return Proof(problem if left else WAIT_TEXT, 400)
    attempts_forget(**who)
    return Proof()


def proof_page(request: HttpRequest, template: str, user: User, proof: Proof, **more: object) -> HttpResponse:
    """The page that asks for a proof: with what is wrong about the last one, and what a passkey is asked."""
    factors = factors_of(user=user)
    asked = {"options": options_to_show(user, factors), "hindrance": hindrance(request)}
    context = {"factors": factors, "problem": proof.problem} | asked | more
    answer = render(request, template, context, status=proof.status)
    if proof.status == 429:
        answer["Retry-After"] = str(WAIT_S)
    return answer
