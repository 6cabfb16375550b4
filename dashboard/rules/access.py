"""Who may do what with rules, and which rule and text a request is about."""

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from alerts.models import Rule
from alerts.selectors import rule_get
from alerts.services.triage import NOTE_LENGTH

if TYPE_CHECKING:
    from devices.models import User

PERMISSION: Final = "alerts.change_rule"


def may_change(view: Any) -> Any:
    """A view for those who may write rules; others are told so."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_change(cast("User", request.user))
        response: HttpResponse = view(request, *args, **kwargs)
        return response

    return guarded


def require_change(user: "User") -> None:
    """Raises PermissionDenied for who may not write rules."""
    if not user.has_perm(PERMISSION):
        raise PermissionDenied("Changing rules takes the permission to.")


def rule_or_404(rule_id: str) -> Rule:
    """The rule with its versions, of which there is one at least."""
    if "\x00" in rule_id:  # no text of PostgreSQL's can hold one
        raise Http404("There is no such rule.")
    try:
        found = rule_get(rule_id=rule_id)
    except Rule.DoesNotExist:
        raise Http404("There is no such rule.") from None
    if not found.versions.all():
        raise Http404("There is no such rule.")
    return found


def why_of(request: HttpRequest) -> str:
    """The reason that was given, as it may be kept."""
    return request.POST.get("note", "").replace("\x00", "").strip()[:NOTE_LENGTH]


def source_of(request: HttpRequest) -> str:
    """The text that was sent; browsers send line ends as CR LF."""
    return request.POST.get("source", "").replace("\r\n", "\n")
