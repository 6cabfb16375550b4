"""What people say about how they want to be told: channels, routes, tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from alerts.models import Channel, Delivery, Route
from alerts.notify.notices import notices_resume
from alerts.notify.places import Network
from alerts.notify.sealing import seal
from alerts.notify.senders import BadAddressError, address_checked, new_signing_secret
from devices.models import User, Verb
from devices.rights.audit import audit_note

MOST_CHANNELS: Final = 20
MOST_ROUTES: Final = 50


class NotificationError(ValueError):
    """It cannot be so; the text says why."""


def channel_make(
    *, owner: User, name: str, kind: str, address: str, networks: Sequence[Network]
) -> tuple[Channel, str]:
    """A channel, and the secret that it is signed with, which nobody is shown again; empty where none is needed.

    Raises NotificationError where it may not lead there, the name is taken, or there are MOST_CHANNELS.
    """
    try:
        shown = address_checked(kind=kind, address=address, networks=networks)
    except BadAddressError as error:
        raise NotificationError(str(error)) from None
    if Channel.objects.filter(owner=owner).count() >= MOST_CHANNELS:
        raise NotificationError(f"There are {MOST_CHANNELS} channels already. Remove one first.")
    secret = new_signing_secret() if kind == Channel.Kind.WEBHOOK else ""
    try:
        with transaction.atomic():
            channel = Channel.objects.create(
                owner=owner,
                name=name,
                kind=kind,
                shown=shown,
                sealed_address=seal(address),
                sealed_secret=seal(secret) if secret else "",
            )
            audit_note(verb=Verb.CHANNEL_MADE, person=owner, what=f"channel {channel.pk}, {channel.kind}")
    except IntegrityError:
        raise NotificationError("There is a channel of that name.") from None
    return channel, secret


def channel_remove(*, channel: Channel) -> None:
    """It is forgotten, with its routes and what it sent."""
    with transaction.atomic():
        audit_note(verb=Verb.CHANNEL_REMOVED, person=channel.owner, what=f"channel {channel.pk}, {channel.kind}")
        channel.delete()


def channel_test(*, channel: Channel, at: datetime) -> Delivery:
    """Send a test with the next run. Raises NotificationError while one is on its way."""
    if Delivery.objects.filter(channel=channel, kind=Delivery.Kind.TEST, state=Delivery.State.PENDING).exists():
        raise NotificationError("A test is on its way already.")
    return Delivery.objects.create(channel=channel, kind=Delivery.Kind.TEST, made_at=at, next_at=at)


def route_make(*, route: Route, at: datetime) -> Route:
    """Keep a route that was validated; what is open and nobody looks after is told. Raises NotificationError where
    there are MOST_ROUTES."""
    if Route.objects.filter(owner=route.owner).count() >= MOST_ROUTES:
        raise NotificationError(f"There are {MOST_ROUTES} routes already. Remove one first.")
    with transaction.atomic():
        route.save()
        notices_resume(route=route, at=at)
        audit_note(verb=Verb.ROUTE_MADE, person=route.owner, what=_named(route))
    return route


def route_switch(*, route: Route, enabled: bool, at: datetime) -> bool:
    """Whether that changed anything. A route that is off says nothing, not even of an end; one that is on again tells
    of what is open and nobody looks after."""
    with transaction.atomic():
        changed = bool(Route.objects.filter(pk=route.pk, enabled=not enabled).update(enabled=enabled))
        if changed:
            if enabled:
                notices_resume(route=route, at=at)
            changes = {"enabled": (not enabled, enabled)}
            audit_note(verb=Verb.ROUTE_SWITCHED, person=route.owner, what=_named(route), changes=changes)
    return changed


def route_remove(*, route: Route) -> None:
    """It is forgotten; what it sent stays in the log."""
    with transaction.atomic():
        audit_note(verb=Verb.ROUTE_REMOVED, person=route.owner, what=_named(route))
        route.delete()


def _named(route: Route) -> str:
    return f"route {route.pk}, from {route.least_severity} on"
