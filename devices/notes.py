"""Notes about a person: written by who may see them, the person included, and taken back by who wrote them."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from devices.models import Note, User, Verb
from devices.rights.audit import audit_note

AHEAD: Final = timedelta(minutes=1)  # clocks differ


class NoteError(Exception):
    """It cannot be kept; the text says why."""


def note_add(*, person: User, by: User, text: str, about: datetime, at: datetime) -> Note:
    """A note about `person` and a moment that has been; raises NoteError."""
    kept = text.replace("\x00", "").strip()
    if not kept:
        raise NoteError("Write something.")
    if len(kept) > Note.LENGTH:
        raise NoteError(f"A note has at most {Note.LENGTH:,} characters.")
    if about > at + AHEAD:
        raise NoteError("A note is about a time that has been.")
    with transaction.atomic():
        note = Note.objects.create(person=person, by=by, text=kept, about=about, written_at=at)
        audit_note(verb=Verb.NOTE_WRITTEN, person=person, what=f"note {note.pk}", by=by, at=at)
    return note


def note_remove(*, note_id: int, person: User, by: User) -> bool:
    """Take back a note of one's own; False where there is none."""
    with transaction.atomic():
        removed = Note.objects.filter(pk=note_id, person=person, by=by).delete()[0] > 0
        if removed:
            audit_note(verb=Verb.NOTE_REMOVED, person=person, what=f"note {note_id}", by=by)
    return removed


def notes_of(*, person: User) -> QuerySet[Note]:
    """The notes about `person`, by the moment they are about, newest first, with who wrote them."""
    return Note.objects.filter(person=person).select_related("by").order_by("-about", "-pk")
