"""GET /alerts/: facets, a page of the list, and the views somebody saved."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.hushing import hushes_of
from alerts.models.alert import CloseReason
from alerts.selectors import assignable
from dashboard.desk.arrivals import drawn_as_of
from dashboard.desk.facets import facets_of
from dashboard.desk.query import read_query
from dashboard.desk.rows import (
    RowActions,
    bulk_snoozes,
    grouped,
    last_closed_at,
    page_of,
    replaced_by,
    rows_of,
    technical_below,
)
from dashboard.desk.saved_views import saved_views
from dashboard.lists import BadQueryError

if TYPE_CHECKING:
    from devices.models import User


@login_required
def desk(request: HttpRequest) -> HttpResponse:
    """GET /alerts/; with htmx only the facets and the list."""
    user = cast("User", request.user)
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    now = timezone.now()
    alerts, next_page = page_of(user=user, query=query)
    technical, more_technical = technical_below(user=user, query=query)
    alerts += technical
    replaced, hushes, actions = replaced_by(alerts), hushes_of(alerts, at=now), RowActions()
    context = {
        "page_title": "Alerts",
        "query": query,
        "as_of": drawn_as_of(now=now),
        "groups": [(title, rows_of(rows, user, replaced, hushes, actions)) for title, rows in grouped(alerts)],
        "shown": len(alerts),
        "next_page": next_page,
        "more_technical": more_technical,
        "facets": facets_of(user=user, query=query),
        "reasons": CloseReason.choices,
        "saved_views": saved_views(user=user, query=query),
        "assignable": assignable(user=user),
        "bulk_snoozes": bulk_snoozes(),
        "last_closed_at": None if alerts else last_closed_at(user),
    }
    return render(request, "_desk_parts.html" if request.headers.get("HX-Request") else "desk.html", context)
