"""Whom somebody keeps in view."""

from datetime import datetime

from devices.models import Pin, User


def pin_set(*, viewer: User, person: User, pinned: bool, at: datetime) -> None:
    """Keep `person` in view of `viewer`, or no longer; twice is as once."""
    if pinned:
        Pin.objects.bulk_create([Pin(viewer=viewer, person=person, at=at)], ignore_conflicts=True)
    else:
        Pin.objects.filter(viewer=viewer, person=person).delete()


def pinned_by(*, viewer: User) -> set[int]:
    """The keys of those whom `viewer` keeps in view; among them may be some whom they may no longer see."""
    return set(Pin.objects.filter(viewer=viewer).values_list("person", flat=True))
