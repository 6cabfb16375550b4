"""One's own devices and keys: add, name, make a token, revoke it. Only what is one's own is found here."""

from functools import partial
from typing import cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from dashboard.account.confirmed import confirmed
from dashboard.own.page import page
from devices.models import ApiToken, Device, User
from devices.services import DeviceExistsError, device_add, device_rename
from devices.tokens import device_token_make, device_token_revoke, token_make, token_revoke

KIND = r"^[a-z0-9_]{1,64}$"


class NewDevice(forms.Form):
    """A wearable that nobody knows yet."""

    kind = forms.RegexField(KIND, max_length=64, error_messages={"invalid": "Small letters, digits and _ only."})
    external_id = forms.CharField(max_length=64, required=False)
    name = forms.CharField(max_length=64, required=False)


class Named(forms.Form):
    """A name for a device."""

    name = forms.CharField(max_length=64, required=False)


class NewToken(forms.Form):
    """A key, which must have a name: that is what it is known by later."""

    name = forms.CharField(max_length=64)


@login_required
@require_POST
def device_new(request: HttpRequest) -> HttpResponse:
    """POST /settings/devices/: `kind`, `external_id`, `name`."""
    form = NewDevice(request.POST)
    if not form.is_valid():
        return page(request, status=400, problem=_said(form), at="devices")
    try:
        device_add(wearer=cast("User", request.user), **form.cleaned_data)
    except DeviceExistsError:
        return page(request, status=409, problem="You already have that device.", at="devices")
    messages.success(request, "Added. Make a token, so that it can send your readings.")
    return redirect("settings")


@login_required
@require_POST
def device_name(request: HttpRequest, device_id: int) -> HttpResponse:
    """POST /settings/devices/ID/name/: `name`, or none."""
    device, form = _device(request, device_id), Named(request.POST)
    if not form.is_valid():
        return page(request, status=400, problem=_said(form), at="devices")
    device_rename(device=device, name=form.cleaned_data["name"])
    return redirect("settings")


@require_POST
@partial(confirmed, back="settings")
def device_token(request: HttpRequest, device_id: int) -> HttpResponse:
    """POST /settings/devices/ID/token/: the answer shows the token, and nothing ever again.

    Asks first whether it is they: with it readings are written in their name, whatever becomes of the session.
    """
    device = _device(request, device_id)
    secret = device_token_make(device=device, at=timezone.now())
    return page(request, secret=secret, secret_of=str(device), at="devices")


@login_required
@require_POST
def device_revoke(request: HttpRequest, device_id: int) -> HttpResponse:
    """POST /settings/devices/ID/revoke/."""
    device = _device(request, device_id)
    had_one = device_token_revoke(device=device)
    messages.success(request, f"The token of {device} {'holds no more' if had_one else 'had been revoked already'}.")
    return redirect("settings")


@require_POST
@partial(confirmed, back="settings")
def key_new(request: HttpRequest) -> HttpResponse:
    """POST /settings/tokens/: `name`; the answer shows the token, and nothing ever again.

    Asks first whether it is they: a token outlives the session that made it.
    """
    form = NewToken(request.POST)
    if not form.is_valid():
        return page(request, status=400, problem="Give it a name: what will use it?", at="tokens")
    made = token_make(
        user=cast("User", request.user),
        at=timezone.now(),
        lifetime=settings.TELARA_TOKEN_LIFETIME,
        name=form.cleaned_data["name"],
    )
    return page(request, secret=made.secret, secret_of=made.token.name, at="tokens")


@login_required
@require_POST
def key_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """POST /settings/tokens/ID/revoke/: also closes the sockets that were opened with it."""
    token = ApiToken.objects.filter(user=cast("User", request.user), pk=token_id).first()
    if token is None:
        raise Http404("You have no such token.")
    token_revoke(token=token)
    messages.success(request, "The token holds no more.")
    return redirect("settings")


def _device(request: HttpRequest, device_id: int) -> Device:
    device = Device.objects.filter(user=cast("User", request.user), pk=device_id).first()
    if device is None:
        raise Http404("You have no such device.")
    return device


def _said(form: forms.Form) -> str:
    """The first thing that is wrong, with the name of its field."""
    field, errors = next(iter(form.errors.items()))
    return f"{form.fields[field].label or field.replace('_', ' ').capitalize()}: {errors[0]}"
