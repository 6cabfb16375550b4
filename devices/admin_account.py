"""What staff may do about how others sign in: a link for a new password, and taking a lost second factor away."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from devices.account.account_log import account_changed
from devices.account.confirmed import confirm_first, is_confirmed
from devices.account.passwords import link_secret
from devices.account.second_factor import factors_take_away
from devices.account.sessions import sessions_end
from devices.addresses import site_link
from devices.admin_base import signed_in
from devices.models import User, Verb

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object


class AccountActions(Base):
    """For an admin of people. Each asks `has_change_permission` of the very person, so that nobody comes in as somebody
    with more rights than they have."""

    @admin.action(description="Make a link to set a new password (one person)", permissions=["change"])
    def make_password_link(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        """Shows the link on a page of its own: a message would be kept, and the link is not."""
        chosen = self._allowed(request, people)
        if len(chosen) != 1 or not chosen[0].is_active:
            self.message_user(request, "Choose one active person whom you may change.", messages.ERROR)
            return None
        if not is_confirmed(request):
            return confirm_first(request, then=request.get_full_path())
        person = chosen[0]
        address = reverse("login-reset") + "?" + urlencode({"link": link_secret(user=person)})
        account_changed(user=person, verb=Verb.LINK_MADE, by=signed_in(request))
        self.log_change(request, person, "Made a link to set a new password.")
        context = {**self.admin_site.each_context(request), "person": person, "title": "A new password"}
        context["link"] = site_link(request, address)
        return TemplateResponse(request, "admin/devices/password_link.html", context)

    @admin.action(description="Take the second factor away (lost phone or key)", permissions=["change"])
    def take_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        """They sign in by password alone then, and are signed out everywhere."""
        if not is_confirmed(request):
            return confirm_first(request, then=request.get_full_path())
        by, count = signed_in(request), 0
        for person in self._allowed(request, people):
            if factors_take_away(user=person, by=by):
                sessions_end(user=person, by=by)
                self.log_change(request, person, "Took the second factor away.")
                count += 1
        self.message_user(request, f"Taken away from {count}; others had none, or are not yours to change.")
        return None

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """As Django's; sessions of who was given another password end at once, not when they are next used. All of it
        happens, or nothing."""
        if self.has_change_permission(request) and not is_confirmed(request):
            return confirm_first(request, then=request.get_full_path(), say="")
        with transaction.atomic():
            answer: HttpResponse = super().user_change_password(request, id, form_url)  # type: ignore[misc]
            if request.method == "POST" and answer.status_code == 302:
                person = User.objects.filter(pk=unquote(id)).first()
                if person is not None:
                    account_changed(user=person, verb=Verb.PASSWORD_CHANGED, by=signed_in(request))
                    mine = request.session.session_key if person == request.user else None
                    sessions_end(user=person, but=mine, by=signed_in(request))
        return answer

    def _allowed(self, request: HttpRequest, people: QuerySet[User]) -> list[Any]:
        return [person for person in people if self.has_change_permission(request, person)]
