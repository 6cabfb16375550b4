"""`/people/teams/`: the teams, and who is in one."""

from collections.abc import Callable
from typing import Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from dashboard.people.access import for_managers, reader
from devices.models import Team, TeamAnalyst, User, named
from devices.rights.people import people_managed
from devices.rights.teams import (
    TeamError,
    may_manage_people,
    member_add,
    member_remove,
    team_change,
    team_delete,
    team_make,
    teams_managed,
    wearer_add,
    wearer_remove,
)

PAGE: Final = 50
Lead: Final = TeamAnalyst.Role


class TeamForm(forms.Form):
    """What a team is called, and what it is for."""

    name = forms.CharField(max_length=64)
    description = forms.CharField(max_length=200, required=False, help_text="what it looks after")


@for_managers
def teams(request: HttpRequest) -> HttpResponse:
    """GET /people/teams/, and POST of `name` and `description`."""
    user, form = reader(request), TeamForm(request.POST or None)
    if request.method == "POST":
        if not may_manage_people(user):
            raise PermissionDenied("Whoever manages all people makes teams.")
        if form.is_valid():
            try:
                team = team_make(**form.cleaned_data, by=user)
            except TeamError as error:
                form.add_error("name", str(error))
            else:
                messages.success(request, f"{team.name} is there. Add who watches, and whom.")
                return redirect("team", team.pk)
    counted = teams_managed(user=user).annotate(
        members_count=Count("analysts", distinct=True), wearers_count=Count("wearers", distinct=True)
    )
    context = {
        "page_title": "Teams",
        "tab": "teams",
        "teams": counted,
        "form": form,
        "manages_all": may_manage_people(user),
    }
    return render(request, "teams.html", context, status=400 if form.errors else 200)


@for_managers
def team(request: HttpRequest, team_id: int) -> HttpResponse:
    """GET /people/teams/ID/, and POST of `do` (a key of _ACTIONS) with what it takes."""
    found = teams_managed(user=reader(request)).filter(pk=team_id).first()
    if found is None:
        raise Http404("There is no such team, or you do not lead it.")
    problem = ""
    if request.method == "POST":
        action = _ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            raise Http404("There is no such action.")
        try:
            said = action(request, found)
        except TeamError as error:
            problem = str(error)
        else:
            messages.success(request, said)
            return redirect("team", found.pk) if action is not _delete else redirect("teams")
    return _page(request, found, problem)


def _page(request: HttpRequest, found: Team, problem: str) -> HttpResponse:
    after = request.GET.get("after", "").replace("\x00", "")[:64]
    wearers = User.objects.filter(teams__team=found, username__gt=after).order_by("username")
    page = list(wearers[: PAGE + 1])
    context = {
        "page_title": found.name,
        "tab": "teams",
        "team": found,
        "form": TeamForm(initial={"name": found.name, "description": found.description}),
        "members": found.analysts.select_related("analyst").order_by("role", "analyst__username"),
        "wearers": page[:PAGE],
        "wearers_count": found.wearers.count(),
        "after": after,
        "next_page": page[PAGE - 1].username if len(page) > PAGE else "",
        "problem": problem,
        "manages_all": may_manage_people(reader(request)),
    }
    return render(request, "team.html", context, status=409 if problem else 200)


def _change(request: HttpRequest, found: Team) -> str:
    form = TeamForm(request.POST)
    if not form.is_valid():
        raise TeamError("A team has a name of at most 64 characters, and a description of at most 200.")
    team_change(team=found, **form.cleaned_data, by=reader(request))
    return "Saved."


def _delete(request: HttpRequest, found: Team) -> str:
    _ensure_manager(request)
    team_delete(team=found, by=reader(request))
    return f"{found.name} is gone. Nobody who was in it is."


def _member_add(request: HttpRequest, found: Team) -> str:
    """A lead adds whom they manage or see already: else they could read who there is, and when they signed in last."""
    user = reader(request)
    known = Q(pk__in=people_managed(user=user).values("pk")) | Q(pk__in=User.objects.visible_to(user).values("pk"))
    among = User.objects.filter(is_active=True)
    person = _named(request, among if may_manage_people(user) else among.filter(known))
    member_add(team=found, person=person, by=user)
    return f"{person.shown_name} watches the wearers of {found.name}."


def _lead(request: HttpRequest, found: Team) -> str:
    """A member becomes a lead, a lead a member."""
    _ensure_manager(request)
    person = _named(request, User.objects.filter(memberships__team=found))
    is_lead = found.analysts.filter(analyst=person, role=Lead.LEAD).exists()
    member_add(team=found, person=person, role=Lead.MEMBER if is_lead else Lead.LEAD, by=reader(request))
    return f"{person.shown_name} {'leads the team no more' if is_lead else 'leads the team'}."


def _member_remove(request: HttpRequest, found: Team) -> str:
    person = _named(request, User.objects.filter(memberships__team=found))
    if person == reader(request) and not may_manage_people(person):
        raise TeamError("Nobody who leads a team leaves it by themselves: ask whoever manages people.")
    member_remove(team=found, person=person, by=reader(request))
    return f"{person.shown_name} watches nobody by {found.name} any more."


def _wearer_add(request: HttpRequest, found: Team) -> str:
    """A lead adds whom they see already: else they could let themselves see anybody."""
    user = reader(request)
    person = _named(request, User.objects.all() if may_manage_people(user) else User.objects.visible_to(user))
    wearer_add(team=found, person=person, by=user)
    return f"{found.name} watches {person.shown_name}."


def _wearer_remove(request: HttpRequest, found: Team) -> str:
    person = _named(request, User.objects.filter(teams__team=found))
    wearer_remove(team=found, person=person, by=reader(request))
    return f"{found.name} does not watch {person.shown_name} any more."


_ACTIONS: Final[dict[str, Callable[[HttpRequest, Team], str]]] = {
    "change": _change,
    "delete": _delete,
    "member-add": _member_add,
    "member-remove": _member_remove,
    "lead": _lead,
    "wearer-add": _wearer_add,
    "wearer-remove": _wearer_remove,
}


def _named(request: HttpRequest, among: QuerySet[User]) -> User:
    user_id = request.POST.get("user_id", "").strip()
    person = among.filter(named(user_id)).first()
    if person is None:
        raise TeamError(
            f"There is no {user_id[:64] or 'user id'} here that you may choose. Look it up on the list of people."
        )
    return person


def _ensure_manager(request: HttpRequest) -> None:
    if not may_manage_people(reader(request)):
        raise PermissionDenied("Whoever manages all people does that.")
