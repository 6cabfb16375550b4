"""`/invitation/SECRET/`, and `/invitation/`: the way in for somebody who was invited.

The first address puts the invitation into the session and leads on to the second, so that the secret is in no address
from which anything is fetched or sent.
"""

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.login import sign_in
from dashboard.own.zones import ZoneField
from devices.account.attempts import WAIT_S, links_left, unknown_link_opened
from devices.addresses import caller_address
from devices.models import Invitation
from devices.rights.invitation_rules import invitation_state
from devices.rights.invitations import InvitationOverError, invitation_accept, invitation_find

HELD: Final = "invitation"  # in the session: the key of the invitation whose link was opened


class Acceptance(forms.Form):
    """Who one is going to be here."""

    username = forms.CharField(label="User name", max_length=64, help_text="letters, digits and . _ - @ + :")
    display_name = forms.CharField(label="What others read as your name", max_length=64, required=False)
    time_zone = ZoneField(label="Time zone", initial="UTC")
    password = forms.CharField(
        max_length=1024,
        strip=False,
        help_text="at least 8 characters, not all digits, none of the common ones",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="Password again",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, invitation: Invitation, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "autocapitalize": "none"}
        if invitation.person is not None:
            del self.fields["username"]
            self.initial.update({name: getattr(invitation.person, name) for name in ("display_name", "time_zone")})

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("password") != given.get("again"):
            self.add_error("again", "The two passwords differ.")
        return given


@require_safe
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """GET /invitation/SECRET/: leads on, or says what has become of it."""
    address = caller_address(request)
    if not links_left(address=address):
        answer = _unnamed(_over(request, "waiting", 429))
        answer["Retry-After"] = str(WAIT_S)
        return answer
    found = invitation_find(secret=secret[:128])
    if found is None:
        unknown_link_opened(address=address)
        return _unnamed(_over(request, "unknown", 404))
    state = invitation_state(invitation=found, at=timezone.now())
    if state != "open":
        return _unnamed(_over(request, state, 410))
    request.session[HELD] = found.pk
    return _unnamed(redirect("accept"))


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password", "again")
def accept(request: HttpRequest) -> HttpResponse:
    """GET /invitation/, and POST of a form: the account is made, and signed in."""
    rows = Invitation.objects.select_related("team", "person", "made_by")
    found = rows.filter(pk=request.session.get(HELD, 0)).first()
    if found is None:
        return _over(request, "unknown", 404)
    if request.user.is_authenticated:
        return _over(request, "signed_in", 409)
    state = invitation_state(invitation=found, at=timezone.now())
    if state != "open":
        return _over(request, state, 410)
    form = Acceptance(request.POST if request.method == "POST" else None, invitation=found)
    if request.method == "POST" and form.is_valid():
        try:
            return _enter(request, found, form)
        except InvitationOverError as over:
            return _over(request, str(over), 410)
    context = {"invitation": found, "form": form}
    return render(request, "invitation.html", context, status=400 if form.errors else 200)


def _enter(request: HttpRequest, found: Invitation, form: Acceptance) -> HttpResponse:
    given = form.cleaned_data
    try:
        user = invitation_accept(
            invitation=found,
            username=given.get("username", ""),
            password=given["password"],
            time_zone=given["time_zone"],
            display_name=given["display_name"],
            at=timezone.now(),
        )
    except ValidationError as error:
        for field, problems in error.message_dict.items():
            form.add_error(field if field in form.fields else None, problems)
        return render(request, "invitation.html", {"invitation": found, "form": form}, status=400)
    del request.session[HELD]
    return sign_in(request, user, to=reverse("overview"))


def _over(request: HttpRequest, state: str, status: int) -> HttpResponse:
    return render(request, "invitation_over.html", {"state": state}, status=status)


def _unnamed(answer: HttpResponse) -> HttpResponse:
    """Nothing that is fetched or opened from here learns the address. Not for pages with a form: browsers would send it
    from nowhere, and it would be refused."""
    answer["Referrer-Policy"] = "no-referrer"
    return answer
