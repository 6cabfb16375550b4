"""Saved views of the alerts list: POST /alerts/views/ gives the list's address a name, POST /alerts/views/N/delete/
forgets it. Everybody has their own."""

from typing import Final, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from alerts.models import SavedView
from dashboard.desk.query import Query, read_query
from dashboard.lists import BadQueryError
from devices.models import User

MOST: Final = 20
NAME_LENGTH: Final = 40


@login_required
@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Form fields: `name` (one that is known is given to this address instead), `query`."""
    user = cast("User", request.user)
    name = " ".join(request.POST.get("name", "").replace("\x00", "").split())[:NAME_LENGTH]
    try:
        query = read_query(QueryDict(request.POST.get("query", "").removeprefix("?")).dict())
    except BadQueryError as error:
        return _refused(request, error)
    if not name:
        return _refused(request, "What is the view to be called? Go back, and give it a name.")
    mine = SavedView.objects.filter(user=user)
    if mine.exclude(name=name).count() >= MOST:
        return _refused(request, f"{MOST} views are saved already. Go back, and forget one first.")
    SavedView.objects.update_or_create(user=user, name=name, defaults={"query": urlencode(query.parameters)})
    return HttpResponseRedirect(f"{reverse('alerts')}{query.address()}")


def _refused(request: HttpRequest, why: object) -> HttpResponse:
    return render(request, "400.html", {"heading": "The view was not saved", "exception": why}, status=400)


@login_required
@require_POST
def forget_view(request: HttpRequest, view_id: int) -> HttpResponse:
    """Nothing happens where it is not theirs, or is gone."""
    SavedView.objects.filter(user=cast("User", request.user), pk=view_id).delete()
    return HttpResponseRedirect(reverse("alerts"))


def saved_views(*, user: User, query: Query) -> list[tuple[SavedView, bool]]:
    """The views of `user` by name, and which of them is the one shown."""
    shown = urlencode(query.parameters)
    return [(view, view.query == shown) for view in SavedView.objects.filter(user=user)]
