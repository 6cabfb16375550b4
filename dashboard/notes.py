"""Notes about a wearer: POST /wearers/ID/notes/ keeps one, POST /wearers/ID/notes/N/remove/ takes back one's own."""

from datetime import datetime
from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from dashboard.answers import answer_done, answer_refused
from dashboard.wearer.query import moment_asked
from dashboard.wearer.views import person_of
from devices.notes import NoteError, note_add, note_remove

if TYPE_CHECKING:
    from devices.models import User


@login_required
@require_POST
def note_new(request: HttpRequest, user_id: str) -> HttpResponse:
    """Form fields: `text`, and `about`, a moment (2026-03-01T12:00:00Z); empty: now."""
    by, at = cast("User", request.user), timezone.now()
    person = person_of(by, user_id)
    try:
        about = _about(request.POST.get("about", ""), at)
        note_add(person=person, by=by, text=request.POST.get("text", ""), about=about, at=at)
    except NoteError as error:
        return answer_refused(request, person, str(error))
    return answer_done(request, person, "Note kept")


@login_required
@require_POST
def note_back(request: HttpRequest, user_id: str, note_id: int) -> HttpResponse:
    """Nobody takes back what somebody else wrote."""
    by = cast("User", request.user)
    person = person_of(by, user_id)
    if not note_remove(note_id=note_id, person=person, by=by):
        raise Http404("There is no such note of yours.")
    return answer_done(request, person, "Note taken back")


def _about(text: str, at: datetime) -> datetime:
    """Raises NoteError."""
    try:
        return moment_asked(text) or at
    except ValueError:
        raise NoteError("A moment is written as 2026-03-01T12:00:00Z.") from None
