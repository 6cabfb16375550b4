"""One's e-mail address: wished for here, and counting once the link in a mail to it was followed."""

from typing import TYPE_CHECKING, Final, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.encoding import punycode
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.account.confirmed import confirmed
from dashboard.account.links import link_held, link_hold, link_over
from dashboard.account.security import page
from devices.account.attempts import WAIT_TEXT, mail_asked, mails_left
from devices.account.mail import (
    TakenError,
    email_confirm,
    email_of,
    email_remove,
    email_waiting,
    email_wish,
    email_wish_drop,
    mail_is_on,
)
from devices.addresses import caller_address

if TYPE_CHECKING:
    from devices.models import User


TOLD_NO_MORE: Final = " From now on nobody is told by mail when somebody changes how you sign in."


class Wanted(forms.Form):
    """An address; none, to have none."""

    email = forms.EmailField(max_length=254, required=False)

    def clean_email(self) -> str:
        """Not one whose domain is too long once it is written in ASCII: no mail can be sent there."""
        wanted: str = self.cleaned_data["email"]
        try:
            punycode(wanted.rpartition("@")[2])
        except UnicodeError as error:
            raise forms.ValidationError("No mail can be sent there.") from error
        return wanted


@require_POST
@confirmed
def email(request: HttpRequest) -> HttpResponse:
    """POST /settings/security/email/: `email`, or nothing to have none."""
    user, form = cast("User", request.user), Wanted(request.POST)
    if not form.is_valid():
        return page(request, status=400, problem="That is no e-mail address.")
    wanted = form.cleaned_data["email"]
    if not wanted:
        email_remove(user=user)
        messages.success(request, f"Your address is forgotten.{TOLD_NO_MORE}")
        return redirect("security")
    if wanted.lower() == email_of(user=user)[0]:
        email_wish_drop(user=user)
        messages.success(request, f"{wanted} is confirmed already, and counts. No mail was sent.")
        return redirect("security")
    return _question(request, user, wanted)


def _question(request: HttpRequest, user: "User", wanted: str) -> HttpResponse:
    """Send the mail that asks whether that address is theirs."""
    if not mail_is_on():
        return page(request, status=400, problem="No mail server is set up here, so no address can be confirmed.")
    who = {"about": f"a question to {user.username}", "address": caller_address(request)}
    if not mails_left(**who):
        return page(request, status=429, problem=WAIT_TEXT)
    mail_asked(**who)
    email_wish(user=user, email=wanted)
    messages.success(request, f"A mail is on its way to {wanted}. The address counts once you have opened its link.")
    return redirect("security")


@require_http_methods(["GET", "HEAD", "POST"])
def email_link(request: HttpRequest) -> HttpResponse:
    """GET /login/email/?link=SECRET leads to /login/email/, which asks, and POST confirms: some programs open links by
    themselves."""
    opened = request.GET.get("link", "")[:400]
    secret = opened or link_held(request, "login-email")
    waiting = email_waiting(secret=secret)
    if waiting is None:
        return link_over(request, "account/email.html", {"address": ""})
    if opened:
        return link_hold(request, "login-email", opened)
    context = {"address": waiting.email, "person": waiting.user.username}
    if request.method != "POST":
        return render(request, "account/email.html", context)
    try:
        email_confirm(secret=secret)
    except TakenError:
        return render(request, "account/email.html", context | {"is_taken": True}, status=409)
    return render(request, "account/email.html", context | {"is_done": True})
