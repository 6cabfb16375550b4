"""Signing in and out."""

from typing import Any, Final

import structlog
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login as Entering
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from dashboard.account.known_browser import browser_note
from devices.account.attempts import WAIT_S, WAIT_TEXT, attempt_failed, attempts_forget, attempts_left, tries
from devices.account.confirmed import confirm_note
from devices.account.mail import mail_is_on
from devices.account.second_factor import factors_hold
from devices.account.under_way import under_way_note
from devices.addresses import caller_address
from devices.live import session_ended
from devices.models import User, named

log = structlog.get_logger(__name__)


SWITCHED_OFF: Final = "This account is switched off. Ask whoever runs this Telara to switch it on again."


class Login(LoginView):
    """`/login/`: says neither which of the two was wrong, nor whether a name exists; and to who knows both that the
    account is switched off."""

    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not attempts_left(**_who(request)):
            return self.render_to_response(
                self.get_context_data(form=self._empty_form(), problem=WAIT_TEXT),
                status=429,
                headers={"Retry-After": str(WAIT_S)},
            )
        return super().post(request, *args, **kwargs)

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:  # noqa: ARG002  # the stubs' signature
        """Not to this very page, which would lead whoever is in to itself."""
        wanted = super().get_redirect_url()
        return "" if wanted == self.request.path else wanted

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        attempts_forget(**_who(self.request))
        return sign_in(self.request, form.get_user(), to=self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        left = attempt_failed(**_who(self.request))
        log.warning("login.failed")
        if _is_switched_off(self.request):
            return self.render_to_response(self.get_context_data(form=form, problem=SWITCHED_OFF))
        problem = f"User name and password do not match. {tries(left)} left before a wait of 5 minutes."
        return self.render_to_response(self.get_context_data(form=form, problem=problem if left else WAIT_TEXT))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"mail_is_on": mail_is_on()}

    def _empty_form(self) -> AuthenticationForm:
        return AuthenticationForm(self.request, initial={"username": self.request.POST.get("username", "")[:64]})


class Logout(LogoutView):
    """`POST /logout/`: also closes the sockets of the session."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        session = request.session.session_key
        answer = super().post(request, *args, **kwargs)
        if session:
            session_ended(session_key=session)
        return answer


def sign_in(request: HttpRequest, user: User, *, to: str) -> HttpResponse:
    """Let `user` in, whose password (or first password) was right just now, and lead them to the address `to`; by the
    second factor, if they have one. `user` is active, and `to` an address of ours."""
    with transaction.atomic():
        factors_hold(user=user)
        record_authentication(request, user, method="password")
        answer: HttpResponse = perform_login(request, Entering(user=user, redirect_url=to))
        if request.user.is_authenticated:
            confirm_note(request)
            browser_note(request, answer, user)
            request.session.save()  # it says whose it is by then, and so ends with the others
        else:
            under_way_note(request, user)
    return answer


def _is_switched_off(request: HttpRequest) -> bool:
    """Whether that was the name and the password of somebody who was deactivated. It takes as long for any other name,
    so that nobody learns which are."""
    username, password = request.POST.get("username", "")[:64], request.POST.get("password", "")
    user = User.objects.filter(named(username), is_active=False).first()
    if user is None or not user.has_usable_password():
        make_password(password)
        return False
    return user.check_password(password)


def _who(request: HttpRequest) -> dict[str, str]:
    return {"username": request.POST.get("username", ""), "address": caller_address(request)}
