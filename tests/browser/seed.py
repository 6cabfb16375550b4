"""What the people of the tour have already done when it begins. Run inside of a site: `seed()`."""

from datetime import timedelta

from django.utils import timezone

from alerts.models import Channel, Delivery, Route, SavedView
from alerts.models.alert import Severity
from alerts.services.mutes import mute_add
from alerts.services.notifications import channel_make, channel_test, route_make
from devices.models import Device, User
from devices.rights.teams import member_add, team_make, wearer_add
from devices.services import device_add
from devices.tokens import device_token_make, token_make


def seed(password: str) -> None:
    """A wearer with a device, a key and a plan; an analyst with a saved view, a channel and a route.

    The analyst's clock is not that of UTC, so that what is shown by theirs can be told from what is not.
    """
    at = timezone.now()
    User.objects.create_user("newcomer", password=password)
    wearer = User.objects.create_user("user_001", password=password, is_wearer=True, time_zone="Asia/Kolkata")
    device = device_add(wearer=wearer, kind="apple_watch", name="Left wrist")
    device_token_make(device=device, at=at)
    Device.objects.filter(pk=device.pk).update(last_seen_at=at)
    token_make(user=wearer, at=at, lifetime=timedelta(days=30), name="a script")
    mute_add(
        wearer=wearer, rules=["tachycardia-at-rest"], starts_at=at, ends_at=at + timedelta(hours=1), why="at the gym",
        by=wearer, at=at,
    )  # fmt: skip
    User.objects.filter(username="analyst").update(time_zone="Europe/Vienna")
    analyst = User.objects.get(username="analyst")
    SavedView.objects.create(user=analyst, name="Racing hearts", query="severity=HIGH")
    channel, _ = channel_make(
        owner=analyst, name="Pager", kind=Channel.Kind.WEBHOOK, address="https://8.8.8.8/secret-path", networks=()
    )
    team = team_make(name="Night", description="From 22 to 6")
    member_add(team=team, person=analyst)
    wearer_add(team=team, person=wearer)
    route_make(
        route=Route(owner=analyst, channel=channel, least_severity=Severity.HIGH, wait_min=5, repeat_most=2), at=at
    )
    channel_test(channel=channel, at=at)
    Delivery.objects.create(channel=channel, kind=Delivery.Kind.TEST, made_at=at, done_at=at, state=Delivery.State.SENT)
