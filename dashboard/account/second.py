"""`/login/second/`: between the password and being in."""

from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStageController
from allauth.mfa.stages import AuthenticateStage
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.account.known_browser import browser_note
from dashboard.account.proof import Proof, factor_proof, proof_page
from devices.account.confirmed import confirm_note
from devices.account.under_way import is_under_way, under_way_drop
from devices.models import User


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("code", "credential")
def second(request: HttpRequest) -> HttpResponse:
    """GET, and POST of `code` or `credential`; whose password, as it is now, is not behind them is sent to the first
    step."""
    stage = None if request.user.is_authenticated else LoginStageController.enter(request, AuthenticateStage.key)
    user = stage.login.user if stage is not None else None
    if stage is None or not isinstance(user, User) or not user.is_active:
        return redirect("login")
    if not is_under_way(request, user):
        return _begin_anew(request)
    if request.method != "POST":
        return proof_page(request, "account/second.html", user, Proof())
    proof = factor_proof(request, user)
    if not proof.is_right:
        return proof_page(request, "account/second.html", user, proof)
    answer: HttpResponse = stage.exit()
    under_way_drop(request)
    confirm_note(request)
    browser_note(request, answer, user)
    return answer


def _begin_anew(request: HttpRequest) -> HttpResponse:
    clear_login(request)
    under_way_drop(request)
    messages.warning(request, "Your password was changed after you gave it. Log in with the new one.")
    return redirect("login")
