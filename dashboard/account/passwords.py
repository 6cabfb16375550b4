"""Changing a password, and setting a new one by a link after the old one was forgotten."""

from typing import TYPE_CHECKING, Any, cast

import structlog
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.account.confirmed import confirmed
from dashboard.account.known_browser import browser_keep
from dashboard.account.links import link_held, link_hold, link_over
from dashboard.account.proof import password_proof
from devices.account.attempts import WAIT_S, WAIT_TEXT, mail_asked, mails_left
from devices.account.confirmed import confirm_note
from devices.account.mail import mail_is_on, password_link_ask
from devices.account.passwords import link_person, password_set, tokens_revoke
from devices.addresses import caller_address
from devices.models import Verb

if TYPE_CHECKING:
    from devices.models import User

log = structlog.get_logger(__name__)


class Asked(forms.Form):
    """Where the link is to go."""

    email = forms.EmailField(max_length=254)


@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("old_password", "new_password1", "new_password2")
def password(request: HttpRequest) -> HttpResponse:
    """GET /settings/security/password/, and POST of `old_password`, `new_password1`, `new_password2` and `tokens`."""
    user = cast("User", request.user)
    if request.method != "POST":
        return _password_page(request, SetPasswordForm(user))
    form = SetPasswordForm(user, request.POST)
    proof = password_proof(request, user, request.POST.get("old_password", ""))
    if not proof.is_right:
        return _password_page(request, form, problem=proof.problem, status=proof.status)
    if not form.is_valid():
        return _password_page(request, form, status=400)
    raw = form.cleaned_data["new_password1"]
    password_set(user=user, password=raw, verb=Verb.PASSWORD_CHANGED, keep=request.session.session_key)
    revoked = tokens_revoke(user=user) if request.POST.get("tokens") else 0
    update_session_auth_hash(request, user)
    confirm_note(request)
    also = f" {revoked} API token{'' if revoked == 1 else 's'} revoked." if revoked else ""
    messages.success(request, f"Your password is changed, and you are signed out everywhere else.{also}")
    answer = redirect("security")
    browser_keep(request, answer, user)
    return answer


def _password_page(request: HttpRequest, form: Any, *, problem: str = "", status: int = 200) -> HttpResponse:
    tokens = cast("User", request.user).api_tokens.filter(expires_at__gt=timezone.now()).count()
    context = {"page_title": "Security", "form": form, "problem": problem, "tokens_count": tokens}
    answer = render(request, "account/password.html", context, status=status)
    if status == 429:
        answer["Retry-After"] = str(WAIT_S)
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
def forgot(request: HttpRequest) -> HttpResponse:
    """GET /login/forgot/, and POST of `email`: one answer, whether anybody has that address or not."""
    if request.method != "POST" or not mail_is_on():
        return _forgot_page(request)
    form = Asked(request.POST)
    if not form.is_valid():
        return _forgot_page(request, problem="That is no e-mail address.", status=400)
    email = form.cleaned_data["email"].lower()
    who = {"about": f"a link to {email}", "address": caller_address(request)}
    if not mails_left(**who):
        return _forgot_page(request, problem=WAIT_TEXT, status=429)
    mail_asked(**who)
    password_link_ask(email=email)
    return _forgot_page(request, sent_to=email)


def _forgot_page(request: HttpRequest, *, problem: str = "", sent_to: str = "", status: int = 200) -> HttpResponse:
    context = {"mail_is_on": mail_is_on(), "problem": problem, "sent_to": sent_to}
    answer = render(request, "account/forgot.html", context, status=status)
    if status == 429:
        answer["Retry-After"] = str(WAIT_S)
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("new_password1", "new_password2")
def reset(request: HttpRequest) -> HttpResponse:
    """GET /login/reset/?link=SECRET leads to /login/reset/, which asks; POST of `new_password1` and `new_password2`."""
    opened = request.GET.get("link", "")
    user = link_person(secret=opened or link_held(request, "login-reset"))
    if user is None:
        return link_over(request, "account/reset.html", {"person": None})
    if opened:
        return link_hold(request, "login-reset", opened)
    form = SetPasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        password_set(user=user, password=form.cleaned_data["new_password1"], verb=Verb.PASSWORD_RESET)
        messages.success(request, "Your password is set. Log in with it.")
        return redirect(settings.LOGIN_URL)
    status = 400 if form.is_bound else 200
    return render(request, "account/reset.html", {"person": user, "form": form}, status=status)
