"""`/people/invitations/`: who is invited, and inviting."""

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from dashboard.people.access import for_managers, reader
from devices.addresses import site_link
from devices.models import Team, User, named
from devices.rights.invitation_rules import Invited, invitation_states
from devices.rights.invitations import (
    LIFETIME,
    LONGEST,
    InvitationError,
    invitation_make,
    invitation_revoke,
    invitations_managed,
    roles_offered,
)
from devices.rights.teams import may_manage_people, teams_managed

SHOWN: Final = 50


class InvitationForm(forms.Form):
    """Whom to invite, as what, for how long."""

    role = forms.ChoiceField(label="As", choices=[])
    team = forms.ModelChoiceField(queryset=Team.objects.none(), required=False, empty_label="no team")
    user_id = forms.CharField(
        label="For the person",
        max_length=64,
        required=False,
        help_text="the user id of a wearer whose readings come already; empty: they choose a name",
    )
    note = forms.CharField(max_length=254, required=False, help_text="for this list alone: an address, a name")
    days = forms.IntegerField(label="Days", min_value=1, max_value=LONGEST.days, initial=LIFETIME.days)

    def __init__(self, *args: Any, by: User, **options: Any) -> None:
        super().__init__(*args, **options)
        teams = teams_managed(user=by)
        self._by = by
        self.fields["role"].choices = [(role, str(role)) for role in roles_offered(by=by)]  # type: ignore[attr-defined]
        self.fields["team"].queryset = teams  # type: ignore[attr-defined]
        self.fields["team"].required = not may_manage_people(by)

    def clean_user_id(self) -> User | None:
        user_id = self.cleaned_data["user_id"].strip()
        if not user_id:
            return None
        by = self._by
        person = (User.objects.all() if may_manage_people(by) else User.objects.visible_to(by)).filter(named(user_id))
        if not person:
            raise forms.ValidationError("There is no such person, or you may not see them.")
        return person[0]


@for_managers
def invitations(request: HttpRequest) -> HttpResponse:
    """GET /people/invitations/, and POST of a form; the answer shows the link, and nothing ever again."""
    user = reader(request)
    if request.method == "POST" and request.POST.get("do") == "revoke":
        return _revoke(request)
    given = request.POST if request.method == "POST" else None
    form = InvitationForm(given, by=user, initial={"user_id": request.GET.get("for", ""), "role": "wearer"})
    if request.method == "POST" and form.is_valid():
        wanted = Invited(form.cleaned_data["role"], form.cleaned_data["team"], form.cleaned_data["user_id"])
        lifetime, note = timedelta(days=form.cleaned_data["days"]), form.cleaned_data["note"]
        try:
            made = invitation_make(wanted=wanted, by=user, at=timezone.now(), note=note, lifetime=lifetime)
        except InvitationError as error:
            form.add_error(None, str(error))
        else:
            link = site_link(request, reverse("invitation", args=[made.secret]))
            return _page(request, InvitationForm(by=user), link=link, made=made.invitation)
    return _page(request, form, status=400 if form.errors else 200)


def _page(request: HttpRequest, form: InvitationForm, *, status: int = 200, **more: Any) -> HttpResponse:
    at, before = timezone.now(), request.GET.get("before", "")
    found = invitations_managed(user=reader(request))
    if before.isascii() and before.isdigit() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    page = list(found[: SHOWN + 1])
    context = {
        "page_title": "Invitations",
        "tab": "invitations",
        "rows": list(zip(page, invitation_states(invitations=page[:SHOWN], at=at), strict=False)),
        "next_page": page[SHOWN - 1].pk if len(page) > SHOWN else None,
        "before": before,
        "form": form,
    }
    return render(request, "invitations.html", context | more, status=status)


def _revoke(request: HttpRequest) -> HttpResponse:
    user, number = reader(request), request.POST.get("invitation", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    invitation = invitations_managed(user=user).filter(pk=int(number)).first() if is_number else None
    if invitation is None:
        raise Http404("There is no such invitation.")
    revoked = invitation_revoke(invitation=invitation, by=user, at=timezone.now())
    messages.success(request, "Its link holds no more." if revoked else "Its link held no more already.")
    return redirect("invitations")
