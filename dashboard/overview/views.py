"""`/`: the page, and its parts for a page that is already open."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from dashboard.overview.board import SHOWS, Choice, board_of
from dashboard.overview.log import TABS

if TYPE_CHECKING:
    from devices.models import User


@never_cache
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """GET /; a wearer who may see nobody else is led to their own page."""
    user = cast("User", request.user)
    if user.is_wearer and user.sees_nobody_else:
        return redirect("wearer", user.username)
    return render(request, "overview.html", _context(request))


@never_cache
@login_required
def overview_parts(request: HttpRequest) -> HttpResponse:
    """The parts that change, as the page holds them: overview.js takes those it needs."""
    return render(request, "_overview_parts.html", _context(request))


def _context(request: HttpRequest) -> dict[str, Any]:
    board = board_of(user=cast("User", request.user), choice=choice_of(request.GET), at=timezone.now())
    return {"board": board, "log": board.log, "choice": board.choice, "page_title": "Overview"}


def choice_of(query: QueryDict) -> Choice:
    """What the address asks for; whatever makes no sense is as if it were not there."""
    tab, layout, show, page = (query.get(name, "") for name in ("tab", "layout", "show", "page"))
    return Choice(
        tab=next((each for each in TABS if each == tab), "firing"),
        layout="tiles" if layout == "tiles" else "cells" if layout == "cells" else "auto",
        show=next((each for each in SHOWS if each == show), "all"),
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 5 else 1,
    )
