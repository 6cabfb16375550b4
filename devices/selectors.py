"""What is read of people, devices and readings; every list is narrowed by `visible_to` first."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from devices.metrics import METRICS, Flag
from devices.models import Device, MetricWindow, Reading, User, named


def wearers_visible(*, user: User, search: str = "") -> QuerySet[User]:
    """Those who wear something that `user` may see, with `last_reading_at` and `last_seen_at` (of a device)."""
    newest = Reading.objects.filter(user=OuterRef("pk")).order_by("-recorded_at", "-event_id")
    seen = Device.objects.filter(user=OuterRef("pk")).values("user").annotate(at=Max("last_seen_at")).values("at")
    wearers = User.objects.wearers_visible_to(user)
    if search:
        wearers = wearers.filter(Q(username__icontains=search) | Q(display_name__icontains=search))
    return wearers.annotate(last_reading_at=Subquery(newest.values("recorded_at")[:1]), last_seen_at=Subquery(seen))


def wearer_get(*, user: User, user_id: str) -> User:
    """The person with that user_id whom `user` may see; raises User.DoesNotExist."""
    return User.objects.visible_to(user).get(named(user_id))


def sees_everyone() -> Q:
    """Users who may see every wearer."""
    return holding("view_all_wearers")


def holding(codename: str) -> Q:
    """Users who hold a permission of this app, or are superusers; asked from the permission's side, and not once a
    user, of whom most are wearers."""
    permission = Permission.objects.filter(content_type__app_label="devices", codename=codename)
    given = User.user_permissions.through._default_manager.filter(permission__in=permission)
    by_group = User.groups.through._default_manager.filter(group__permissions__in=permission)
    held = Q(pk__in=given.values("user")) | Q(pk__in=by_group.values("user"))
    return (held | Q(is_superuser=True)) & Q(is_active=True)


def devices_visible(*, user: User) -> QuerySet[Device]:
    """The devices of the people `user` may see, their wearer selected."""
    devices = Device.objects.select_related("user")
    if user.is_active and user.has_perm("devices.view_all_wearers"):
        return devices
    return devices.filter(user__in=User.objects.keys_visible_to(user))


def readings_of(
    *, wearer: User, since: datetime | None = None, until: datetime | None = None, metrics: Sequence[str] = ()
) -> QuerySet[Reading]:
    """Readings with `recorded_at` in [since, until) that hold any of `metrics` (default: whatever they hold)."""
    rows = Reading.objects.filter(user=wearer)
    if since is not None:
        rows = rows.filter(recorded_at__gte=since)
    if until is not None:
        rows = rows.filter(recorded_at__lt=until)
    return rows.filter(_any_of(metrics)) if metrics else rows


def windows_of(
    *,
    wearer: User,
    size_s: int = 60,
    every_s: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[MetricWindow]:
    """The complete windows of a wearer, of `size_s` and one every `every_s` (default: side by side), that begin in
    [since, until)."""
    size = timedelta(seconds=size_s)
    last = datetime.max.replace(tzinfo=UTC) - size  # beyond it time ends, and so do windows
    rows = MetricWindow.objects.filter(user=wearer, size_s=size_s, every_s=every_s or size_s).select_related("user")
    if since is not None:
        rows = rows.filter(ended_at__gte=min(since, last) + size)
    if until is not None:
        rows = rows.filter(ended_at__lt=min(until, last) + size)
    return rows


def _any_of(metrics: Iterable[str]) -> Q:
    held = Q()
    for name in metrics:
        held |= Q(**{f"{name}__isnull": False})
    return held


def newest_values(*, wearer: User, within: int = 500) -> dict[str, dict[str, Any]]:
    """The latest value of each metric among the newest `within` readings: `{"heart_rate": {"value", "at"}}`."""
    rows = Reading.objects.filter(user=wearer).order_by("-recorded_at", "-event_id")
    newest: dict[str, dict[str, Any]] = {}
    for row in rows.values("recorded_at", *METRICS)[:within]:
        for name in METRICS:
            if name not in newest and row[name] is not None:
                newest[name] = {"value": row[name], "at": row["recorded_at"]}
    return newest


def flag_names(flags: int) -> list[str]:
    """The flags of a reading by name, lower case: `["late", "suspect_hrv"]`."""
    return [flag.name.lower() for flag in Flag if flag.name and flags & flag]
