"""Signing in and out."""

from typing import Any

import structlog
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse

from devices.addresses import caller_address
from devices.attempts import WAIT_S, attempt_failed, attempts_forget, attempts_left
from devices.live import session_ended

log = structlog.get_logger(__name__)
WAIT_TEXT = "Too many tries. Wait 5 minutes, then try again."


class Login(LoginView):
    """`/login/`: says neither which of the two was wrong, nor whether a name exists."""

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

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        attempts_forget(**_who(self.request))
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        left = attempt_failed(**_who(self.request))
        log.warning("login.failed")
        problem = f"User name and password do not match. {_tries(left)} left before a wait of 5 minutes."
        return self.render_to_response(self.get_context_data(form=form, problem=problem if left else WAIT_TEXT))

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


def _who(request: HttpRequest) -> dict[str, str]:
    return {"username": request.POST.get("username", ""), "address": caller_address(request)}


def _tries(left: int) -> str:
    return "1 try" if left == 1 else f"{left} tries"
