"""The devices: what people wear, and of which of it nothing is heard.

A list (`dashboard.lists`) by state. A device is touched at most once a minute, and its readings are the person's: so
nothing under two minutes of silence says anything. While no stream worker lives, and until what waits is read, nobody
is judged: the states stay those of the moment until which everybody was heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Case, F, FloatField, IntegerField, Max, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Ceil, Coalesce, Extract, Greatest, Least, NullIf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from dashboard.lists import BadQueryError, Key, Ranked, Show, controls, page_of, read_query, sql_of
from dashboard.live.figures import GONE_AFTER
from devices.listening import is_caught_up, stretch_known
from devices.models import Device, PipelineStatus, User
from devices.searching import found_in
from devices.selectors import devices_visible

GAPS: Final = 5  # of a person's newest readings: the usual time between two is their mean
STALE: Final = (3, 120.0)  # times the time between two readings, and seconds at least: as the rules over absence
SILENT: Final = (6, 300.0)
STATES: Final = {"silent": 0, "stale": 1, "fine": 2}  # in order of how bad they are
_NAMES: Final = {rank: name for name, rank in STATES.items()}
SHOWS: Final = (
    Show("", "All", "true"),
    *(Show(name, name.capitalize(), f"rank = {STATES[name]}") for name in ("fine", "stale", "silent")),
)

# One look into the index of readings a device; the columns that it needs are the index's own.
_MEAN_GAP: Final = """
(SELECT extract(epoch FROM max(newest.at) - min(newest.at))::float8 / %s FROM (
    SELECT r.recorded_at AS at FROM devices_reading r WHERE r.user_id = devices_device.user_id
    ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT %s) newest HAVING count(*) = %s)
"""


_RANKED: Final = "SELECT id AS pk, rank, named FROM ({devices}) d"


def devices_ranked(*, user: User, at: datetime, search: str = "", kind: str = "") -> Ranked:
    """Those of the people `user` may see, by STATES and by whose they are."""
    devices = devices_visible(user=user)
    if kind:
        devices = devices.filter(kind=kind)
    if search:
        devices = devices.filter(found_in(search, "kind", "external_id", "user__username", "user__display_name"))
    named = Coalesce(NullIf("user__display_name", Value("")), F("user__username"))
    ranked = sql_of(
        devices.annotate(usual_s=_usual(), named=named).annotate(rank=_rank(at)).values("id", "rank", "named")
    )
    return Ranked(_RANKED.format(devices=ranked.sql), ranked.parameters)


def _usual() -> Coalesce:
    """Seconds between two readings: as it is set, else the mean of the person's newest ones; null for too few."""
    return Coalesce("cadence_s", RawSQL(_MEAN_GAP, [GAPS, GAPS + 1, GAPS + 1], FloatField()))  # noqa: S611  # no input


def _rank(at: datetime) -> Case:
    """The state, for which the usual time is asked once, and only of those not heard for two minutes."""
    heard_s = Value(at.timestamp(), FloatField()) - Cast(Extract("last_seen_at", "epoch"), FloatField())
    worst = Case(
        When(last_seen_at__gt=_ago(at, SILENT), then=Value(1.0)), default=Value(2.0), output_field=FloatField()
    )
    # How often the time to stale has gone by, less one: STALE and SILENT are 3 and 6 times as long as usual.
    times_over = Ceil(heard_s / (NullIf(F("usual_s"), Value(0.0)) * float(STALE[0]))) - Value(1.0)
    return Case(
        When(last_seen_at__isnull=True, then=Value(STATES["silent"])),
        When(last_seen_at__gt=_ago(at, STALE), then=Value(STATES["fine"])),
        default=Value(STATES["fine"]) - Cast(Least(worst, Greatest(Coalesce(times_over, 2.0), 0.0)), IntegerField()),
        output_field=IntegerField(),
    )


def _ago(at: datetime, limit: tuple[int, float]) -> datetime:
    """Who was heard since cannot be as bad as that."""
    return at - timedelta(seconds=limit[1])


def devices_of(keys: Sequence[Key]) -> list[tuple[Any, int]]:
    """The devices of a page, in its order, with `usual_s` (between two readings), each with its rank; one query."""
    found = Device.objects.select_related("user").annotate(usual_s=_usual()).in_bulk([key.pk for key in keys])
    return [(found[key.pk], key.rank) for key in keys if key.pk in found]


def is_read(at: datetime) -> bool:
    """Whether a stream worker lives."""
    return PipelineStatus.objects.filter(updated_at__gt=at - GONE_AFTER, updated_at__lt=at + GONE_AFTER).exists()


def deaf_since(at: datetime) -> datetime | None:
    """Until when everybody was heard, where they are not now: our own outage is nobody's silence. Once a stream worker
    lives again it is over when the rules over absence judge again; None then, and where nobody was ever heard."""
    if is_read(at):
        stretch = stretch_known(settings.TELARA_TOPIC_RAW)
        return stretch[1] if stretch and not is_caught_up(stretch[1], at=at) else None
    spoke = Device.objects.filter(last_seen_at__lte=at).aggregate(last=Max("last_seen_at"))["last"]
    lived = PipelineStatus.objects.filter(updated_at__lte=at).aggregate(last=Max("updated_at"))["last"]
    return max(filter(None, (spoke, lived)), default=None)


def kinds_of(*, user: User) -> list[str]:
    """The kinds of devices among those that `user` may see."""
    return list(devices_visible(user=user).order_by("kind").values_list("kind", flat=True).distinct())


@dataclass(frozen=True, slots=True)
class Row:
    """A device as the list shows it; `missed` readings were expected since it was last seen, 0 while it is fine."""

    device: Device
    state: str
    every_s: float | None
    missed: int


def row_of(device: Any, rank: int, *, at: datetime) -> Row:
    """`device` as `devices_of` gives it."""
    state, seen = _NAMES[rank], device.last_seen_at
    is_missing = state != "fine" and seen is not None and device.usual_s
    missed = int((at - seen).total_seconds() / device.usual_s) if is_missing else 0
    return Row(device, state, device.usual_s, missed)


@login_required
def devices(request: HttpRequest) -> HttpResponse:
    """GET /devices/; with htmx only the list."""
    user, at = cast("User", request.user), timezone.now()
    try:
        query = read_query(request.GET, shows=SHOWS, facets=("kind",))
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    deaf = deaf_since(at)
    judged_at = deaf or at
    ranked = devices_ranked(user=user, at=judged_at, search=query.search, kind=query.facets["kind"])
    page = page_of(ranked, query=query, shows=SHOWS)
    rows = [row_of(device, rank, at=judged_at) for device, rank in devices_of(page.keys)]
    context = {
        "page_title": "Devices",
        "rows": rows,
        "kinds": kinds_of(user=user),
        "deaf_since": deaf,
        "is_read": deaf is not None and is_read(at),
        **controls(query, page),
    }
    return render(request, "_devices_list.html" if request.headers.get("HX-Request") else "devices.html", context)
