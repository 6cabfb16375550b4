"""Views for who has lately shown who they are."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from devices.account.confirmed import confirm_first, is_confirmed

View = Callable[..., HttpResponse]


def confirmed(view: View, back: str = "security") -> View:
    """A view for who has lately shown who they are; others are asked first, and led back.

    Whoever pressed a button is led to its page, the route `back`.
    """

    @login_required
    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_confirmed(request):
            return view(request, *args, **kwargs)
        if request.method in {"GET", "HEAD"}:
            return confirm_first(request, then=request.get_full_path(), say="")
        return confirm_first(request, then=reverse(back))

    return asked
