"""`/people/`: everybody, with their role, their teams and when they were last here; and one person's page.

Role, search and page stand in the URL. Pages are keysets over the user id; what a row shows is read for the whole page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from dashboard.lists import BadQueryError
from dashboard.people.access import for_managers, reader
from devices.models import User, named
from devices.rights.people import (
    ROLES,
    Listed,
    PersonError,
    has_rights,
    listed,
    may_come_in_as,
    people_managed,
    person_activate,
    person_deactivate,
    with_role,
)
from devices.rights.teams import may_manage_people, teams_managed
from devices.searching import found_in

PAGE: Final = 50
WORDS: Final = {
    "administrator": "Administrators",
    "staff": "Staff",
    "analyst": "Analysts",
    "wearer": "Wearers",
    "none": "No role yet",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for; `after` is the user id that ended the page before."""

    role: str
    search: str
    after: str

    def address(self, **changes: str) -> str:
        """The list with these parameters changed, from its first page."""
        chosen = {"role": self.role, "q": self.search} | changes
        return f"?{urlencode({name: value for name, value in chosen.items() if value})}"

    @property
    def is_narrowed(self) -> bool:
        return bool(self.role or self.search)


def read_query(parameters: Mapping[str, str]) -> Query:
    """Raises BadQueryError for a role that does not exist."""
    role = parameters.get("role", "")
    if role and role not in (*ROLES, "inactive"):
        raise BadQueryError(f"There is no role {role!r}.")
    search, after = (parameters.get(name, "").replace("\x00", "").strip()[:64] for name in ("q", "after"))
    return Query(role, search, after)


def page_of(*, user: User, query: Query) -> tuple[list[Listed], str]:
    """A page of the people that `user` manages, by user id, and the address of the next one (empty at the end)."""
    people = people_managed(user=user).order_by("username")
    if query.role == "inactive":
        people = people.filter(is_active=False)
    elif query.role:
        people = people.filter(with_role(query.role), is_active=True)
    if query.search:
        people = people.filter(found_in(query.search, "username", "display_name", "email"))
    if query.after:
        people = people.filter(username__gt=query.after)
    page = list(people[: PAGE + 1])
    following = query.address(after=page[PAGE - 1].username) if len(page) > PAGE else ""
    return listed(page[:PAGE]), following


@for_managers
def people(request: HttpRequest) -> HttpResponse:
    """GET /people/."""
    user = reader(request)
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    rows, next_page = page_of(user=user, query=query)
    roles = [("", "All"), *WORDS.items(), ("inactive", "Deactivated")]
    context = {
        "page_title": "People",
        "tab": "people",
        "query": query,
        "rows": rows,
        "next_page": next_page,
        "roles": [(label, query.address(role=role), role == query.role) for role, label in roles],
        "manages_all": may_manage_people(user),
    }
    return render(request, "people.html", context)


@for_managers
def person(request: HttpRequest, user_id: str) -> HttpResponse:
    """GET /people/person/ID/, and POST of `do`: `deactivate` or `activate`."""
    user = reader(request)
    found = people_managed(user=user).filter(named(user_id)).first()
    if found is None:
        raise Http404("There is no such person, or they are in no team that you lead.")
    problem = ""
    if request.method == "POST":
        try:
            return _do(request, found)
        except PersonError as error:
            problem = str(error)
    (row,) = listed([found])
    context = {
        "page_title": found.shown_name,
        "tab": "people",
        "row": row,
        "person": found,
        "teams": teams_managed(user=user).filter(Q(analysts__analyst=found) | Q(wearers__wearer=found)).distinct(),
        "problem": problem,
        "may_switch": may_manage_people(user) and user != found and may_come_in_as(person=found, by=user),
        "may_invite": found.is_active
        and not found.has_usable_password()
        and not has_rights(found)
        and may_come_in_as(person=found, by=user),
    }
    return render(request, "person.html", context, status=409 if problem else 200)


def _do(request: HttpRequest, found: User) -> HttpResponse:
    if not may_manage_people(reader(request)):
        raise PersonError("Whoever manages all people has to do it: you manage your teams.")
    done = {"deactivate": person_deactivate, "activate": person_activate}.get(request.POST.get("do", ""))
    if done is None:
        raise Http404("There is no such action.")
    done(person=found, by=reader(request), at=timezone.now())
    now = "cannot come in any more" if done is person_deactivate else "may sign in again"
    messages.success(request, f"{found.shown_name} {now}.")
    return redirect("person", found.username)
