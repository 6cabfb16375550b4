"""The second factor on and off: an authenticator app, passkeys, recovery codes."""

from typing import Any, Final, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.account.confirmed import confirmed
from dashboard.account.passkeys import hindrance, options_to_make, passkey_made
from dashboard.account.proof import LONGEST_CODE
from dashboard.account.qr import app_address, qr_path
from devices import sealing
from devices.account.passwords import tokens_revoke
from devices.account.second_factor import (
    Factors,
    LastFactorError,
    app_add,
    app_secret_new,
    codes_left,
    codes_renew,
    factor_remove,
    factors_of,
    passkey_add,
    passkey_rename,
)
from devices.models import User

PENDING: Final = "app_secret"  # in the session, sealed, until a code shows that the app has it
_SEALED: Final = {"salt": "dashboard.account.factors", "purpose": "secret that an app is being set up with"}
KEPT: Final = "You must have a second factor here. Set another one up first, then take this one away."


class Named(forms.Form):
    """What a passkey is called."""

    name = forms.CharField(max_length=64)


@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("code")
def app(request: HttpRequest) -> HttpResponse:
    """GET /settings/security/app/ with a new secret, and POST of the `code` that it gives."""
    user = cast("User", request.user)
    if request.method != "POST" or PENDING not in request.session:
        secret = app_secret_new()
        request.session[PENDING] = sealing.seal(secret, **_SEALED)
        return _app_page(request, user, secret)
    before = factors_of(user=user)
    secret = sealing.unseal(request.session[PENDING], **_SEALED)
    code, keep = request.POST.get("code", "")[:LONGEST_CODE], request.session.session_key
    if not app_add(user=user, secret=secret, code=code, at=timezone.now(), keep=keep):
        problem = "That is not the code that the app shows now. Check the time of your phone, and type the newest code."
        return _app_page(request, user, secret, problem=problem, status=400)
    del request.session[PENDING]
    return _added(request, before, "The authenticator app is set up. It is asked for from the next sign-in on.")


def _app_page(request: HttpRequest, user: User, secret: str, *, problem: str = "", status: int = 200) -> HttpResponse:
    path, size = qr_path(app_address(user.username, secret))
    spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    context = {"page_title": "Security", "secret": spaced, "path": path, "size": size, "problem": problem}
    return render(request, "account/app.html", context | _first(user), status=status)


def _first(user: User) -> dict[str, object]:
    """What a page says before the first factor: other sessions end with it, and tokens, if one wishes."""
    tokens = user.api_tokens.filter(expires_at__gt=timezone.now()).count()
    return {"is_first": not factors_of(user=user).are_on, "tokens_count": tokens}


def _added(request: HttpRequest, before: Factors, said: str) -> HttpResponse:
    """`before`: what they had until now. With the first factor this session gets another key, and the rest are over."""
    user = cast("User", request.user)
    if not before.are_on:
        request.session.cycle_key()
        revoked = tokens_revoke(user=user) if request.POST.get("tokens") else 0
        also = f" {revoked} API token{'' if revoked == 1 else 's'} revoked." if revoked else ""
        said = f"{said} You are signed out everywhere else.{also}"
    messages.success(request, said)
    return redirect("security" if before.codes is not None else "security-codes")


@require_POST
@confirmed
def app_off(request: HttpRequest) -> HttpResponse:
    """POST /settings/security/app/remove/."""
    return _removed(request, factors_of(user=cast("User", request.user)).app, "The authenticator app is taken away.")


@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def passkey_new(request: HttpRequest) -> HttpResponse:
    """GET /settings/security/passkeys/, and POST of `name` and of the `credential` that the browser made."""
    user = cast("User", request.user)
    problem, name = "", ""
    if request.method == "POST":
        name = request.POST.get("name", "").replace("\x00", "").strip()[:64]
        before = factors_of(user=user)
        credential = passkey_made(request.POST.get("credential", ""))
        if credential is not None:
            keep = request.session.session_key
            passkey_add(user=user, name=name or "Passkey", credential=credential, keep=keep)
            return _added(request, before, "The passkey is set up. It may be shown from the next sign-in on.")
        problem = "The browser made no passkey. Try again, or use another device."
    context = {"page_title": "Security", "options": options_to_make(user), "problem": problem, "name": name}
    context["hindrance"] = hindrance(request)
    return render(request, "account/passkey.html", context | _first(user), status=400 if problem else 200)


@require_POST
@confirmed
def passkey_name(request: HttpRequest, passkey_id: int) -> HttpResponse:
    """POST /settings/security/passkeys/ID/name/: `name`."""
    passkey, form = _passkey(request, passkey_id), Named(request.POST)
    if form.is_valid():
        passkey_rename(passkey=passkey, name=form.cleaned_data["name"])
    else:
        messages.error(request, "A passkey has a name of 64 characters at most.")
    return redirect("security")


@require_POST
@confirmed
def passkey_off(request: HttpRequest, passkey_id: int) -> HttpResponse:
    """POST /settings/security/passkeys/ID/remove/."""
    return _removed(request, _passkey(request, passkey_id), "The passkey is taken away.")


@confirmed
def codes(request: HttpRequest) -> HttpResponse:
    """GET /settings/security/codes/: those that were not used yet."""
    return render(request, "account/codes.html", {"page_title": "Security", "codes": _codes(request)})


@confirmed
def codes_file(request: HttpRequest) -> HttpResponse:
    """GET /settings/security/codes/file/: the same, to keep."""
    user = cast("User", request.user)
    text = f"Recovery codes of {user.username} for Telara. Each works once.\n\n" + "\n".join(_codes(request)) + "\n"
    disposition = {"Content-Disposition": 'attachment; filename="telara-recovery-codes.txt"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=disposition)


@require_POST
@confirmed
def codes_new(request: HttpRequest) -> HttpResponse:
    """POST /settings/security/codes/new/: those before no longer work."""
    codes_renew(user=cast("User", request.user))
    messages.success(request, "These are new. Those that you had no longer work.")
    return redirect("security-codes")


def _codes(request: HttpRequest) -> list[str]:
    user = cast("User", request.user)
    if not factors_of(user=user).are_on:
        raise Http404("Recovery codes come with a second factor.")
    return [f"{code[:4]} {code[4:]}" for code in codes_left(user=user)]


def _passkey(request: HttpRequest, passkey_id: int) -> Any:
    for passkey in factors_of(user=cast("User", request.user)).passkeys:
        if passkey.pk == passkey_id:
            return passkey
    raise Http404("You have no such passkey.")


def _removed(request: HttpRequest, factor: Any | None, said: str) -> HttpResponse:
    if factor is None:
        raise Http404("It is not set up.")
    try:
        factor_remove(factor=factor)
    except LastFactorError:
        messages.error(request, KEPT)
    else:
        messages.success(request, said)
    return redirect("security")
