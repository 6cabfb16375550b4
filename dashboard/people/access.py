"""Who may open these pages at all."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from devices.models import User

View = Callable[..., HttpResponse]


def for_managers(view: View) -> View:
    """Signed in, and with the permission to manage people, or lead of a team; else PermissionDenied."""

    @login_required
    @wraps(view)
    def allowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not cast("User", request.user).manages_people:
            raise PermissionDenied("This page is for those who manage people, and for the leads of teams.")
        return view(request, *args, **kwargs)

    return cast("View", allowed)


def reader(request: HttpRequest) -> User:
    """Who asks; `for_managers` let them through."""
    return cast("User", request.user)
