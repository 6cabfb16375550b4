"""GET /wearers/, and POST to keep which columns are shown."""

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dashboard.devices import deaf_since, kinds_of
from dashboard.lists import BadQueryError, Query, controls, page_of, read_query
from dashboard.wearers.columns import COLUMNS, UnknownColumnError, columns_choose, columns_shown, heads
from dashboard.wearers.ranked import FACETS, SHOWS, SORTS, group_choices, kind_choices, teams_of, wearers_ranked
from dashboard.wearers.rows import people_of, rows_of
from devices.models import User


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def wearers(request: HttpRequest) -> HttpResponse:
    """With htmx only what refreshes. POST fields: `columns`, those to be shown and an empty one, or `all`."""
    if request.method == "POST":
        return _choose(request)
    try:
        query = read_query(request.GET, shows=SHOWS, sorts=SORTS, facets=FACETS)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    user = cast("User", request.user)
    context = {"page_title": "Wearers", **_listed(user, query), **_chosen(user, query)}
    return render(request, "_wearers_parts.html" if request.headers.get("HX-Request") else "wearers.html", context)


def _listed(user: User, query: Query) -> dict[str, Any]:
    at, shown = timezone.now(), columns_shown(user)
    page = page_of(wearers_ranked(user=user, at=at, query=query), query=query, shows=SHOWS)
    deaf = deaf_since(at) if "cadence" in shown else None
    people = people_of(page.keys, with_devices="device" in shown)
    return {
        "rows": rows_of(people, at=at, judged_at=deaf or at, shown=shown),
        "deaf_since": deaf,
        "shown": shown,
        "heads": heads(query, shown),
        "columns": [(column, column.name in shown) for column in COLUMNS],
        **controls(query, page, sorts=SORTS),
    }


def _chosen(user: User, query: Query) -> dict[str, Any]:
    teams, kinds = list(teams_of(user=user)), kinds_of(user=user)
    return {
        "groups": group_choices(query, teams) if teams or query.facets["group"] else [],
        "kinds": kind_choices(query, kinds) if kinds or query.facets["kind"] else [],
    }


def _choose(request: HttpRequest) -> HttpResponse:
    names = [column.name for column in COLUMNS] if "all" in request.POST else request.POST.getlist("columns")
    try:
        columns_choose(user=cast("User", request.user), shown=names)
    except UnknownColumnError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    return HttpResponseRedirect(request.get_full_path())
