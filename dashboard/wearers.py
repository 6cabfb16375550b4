"""The wearers: how is this person, out of a thousand?

Filter, search, sort and page stand in the URL. Pages are keysets over (how bad, name, key) or (name, key); whatever a
row shows is read for the whole page at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, NullIf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Severity
from alerts.selectors import worst_of
from dashboard.desk import Facet, shown_count
from dashboard.latest import Value as Latest
from dashboard.latest import latest_values, newest_times
from dashboard.overview.people import fault_of, gap_of
from dashboard.overview.series import sparks_of
from devices.models import Device, Reading, User

SIZES: Final = (24, 50, 100)
WALKED: Final = 720  # readings: an hour of one every 5 s
SILENT_FOR: Final = timedelta(minutes=5)
LEAST_CADENCE_S: Final = 5.0
METRICS_SHOWN: Final = (
    "heart_rate", "spo2_percent", "body_temp_c", "skin_temp_c", "blood_pressure_systolic", "blood_pressure_diastolic",
)  # fmt: skip
Sort = Literal["worst", "name"]
SORTS: Final[Mapping[str, Sort]] = {"worst": "worst", "name": "name"}
SHOWS: Final = (("", "All"), ("alerting", "Alerting"), ("nodata", "No data"))
_RANKS: Final = {severity: place for place, severity in enumerate(Severity.values)}
NO_ALERT: Final = 2 * len(_RANKS)


class BadQueryError(ValueError):
    """The address asks for something that does not exist."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ended: how bad the last person was (only read when sorted so), their name and key."""

    rank: int
    name: str
    pk: int

    def __str__(self) -> str:
        return f"{self.rank}_{self.pk}_{self.name}"


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for."""

    show: str
    search: str
    sort: Sort
    size: int
    after: Key | None

    @property
    def parameters(self) -> dict[str, str]:
        chosen = {
            "show": self.show,
            "q": self.search,
            "sort": "" if self.sort == "worst" else self.sort,
            "rows": "" if self.size == SIZES[0] else str(self.size),
        }
        return {name: value for name, value in chosen.items() if value}

    def address(self, **changes: str) -> str:
        """The list with these parameters changed, from its first page."""
        parameters = {name: value for name, value in (self.parameters | changes).items() if value}
        return f"?{urlencode(parameters)}"


def read_query(parameters: Mapping[str, str]) -> Query:
    """Raises BadQueryError for a filter, order, size or page that does not exist."""
    show, sort = parameters.get("show", ""), SORTS.get(parameters.get("sort", "") or "worst")
    size = parameters.get("rows", "") or str(SIZES[0])
    if show not in dict(SHOWS):
        raise BadQueryError(f"There is no filter {show!r}.")
    if sort is None:
        raise BadQueryError(f"There is no order {parameters['sort']!r}.")
    if size not in map(str, SIZES):
        raise BadQueryError(f"A page has {', '.join(map(str, SIZES))} rows.")
    search = parameters.get("q", "").replace("\x00", "").strip()[:64]
    return Query(show, search, sort, int(size), _key(parameters.get("after", "")))


def _key(text: str) -> Key | None:
    if not text:
        return None
    rank, _, rest = text.partition("_")
    pk, _, name = rest.partition("_")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in (rank, pk)) or "\x00" in name:
        raise BadQueryError("That page does not exist.")
    return Key(int(rank), name, int(pk))


def wearers_ranked(*, user: User, search: str = "") -> QuerySet[User]:
    """Those `user` may see, with `rank` (0 the worst clinical alert, NO_ALERT none), `named` and `heard_at`."""
    severity = Case(
        *[When(severity=severity, then=Value(place)) for severity, place in _RANKS.items()],
        output_field=IntegerField(),
    )
    technical = Case(When(alert_class=AlertClass.TECHNICAL, then=Value(len(_RANKS))), default=Value(0))
    firing = Alert.objects.open().filter(user=OuterRef("pk"), episode=EpisodeState.FIRING)
    worst = firing.annotate(place=severity + technical).order_by("place").values("place")[:1]
    newest = Reading.objects.filter(user=OuterRef("pk")).order_by("-recorded_at", "-event_id").values("recorded_at")[:1]
    people = User.objects.wearers_visible_to(user)
    if search:
        people = people.filter(Q(username__icontains=search) | Q(display_name__icontains=search))
    return people.annotate(
        rank=Coalesce(Subquery(worst), Value(NO_ALERT)),
        named=Coalesce(NullIf("display_name", Value("")), F("username")),
        heard_at=Subquery(newest),
    )


def _narrowing(show: str, at: datetime) -> Q:
    silent = Q(heard_at__isnull=True) | Q(heard_at__lt=at - SILENT_FOR)
    return {"": Q(), "alerting": Q(rank__lt=NO_ALERT), "nodata": silent}[show]


def page_of(*, user: User, query: Query, at: datetime) -> tuple[list[User], str]:
    """A page of people, and the address of the next one (empty at the end)."""
    people = wearers_ranked(user=user, search=query.search).filter(_narrowing(query.show, at))
    if query.after is not None:
        people = people.filter(_behind(query.after, query.sort))
    order = ("named", "pk") if query.sort == "name" else ("rank", "named", "pk")
    devices = Prefetch("devices", Device.objects.order_by("kind"))
    page = list(people.order_by(*order).prefetch_related(devices)[: query.size + 1])
    if len(page) <= query.size:
        return page, ""
    last: Any = page[query.size - 1]
    return page[: query.size], query.address(after=str(Key(last.rank, last.named, last.pk)))


def _behind(key: Key, sort: Sort) -> Q:
    by_name = Q(named__gt=key.name) | Q(named=key.name, pk__gt=key.pk)
    return by_name if sort == "name" else Q(rank__gt=key.rank) | (Q(rank=key.rank) & by_name)


def chips(*, user: User, query: Query, at: datetime) -> list[Facet]:
    """The filters with their counts, in one query."""
    people = wearers_ranked(user=user, search=query.search)
    counts = people.aggregate(**{show or "all": Count("pk", filter=_narrowing(show, at)) for show, _ in SHOWS})
    return [
        Facet(label, query.address(show=show), shown_count(counts[show or "all"]), query.show == show)
        for show, label in SHOWS
    ]


@dataclass(frozen=True, slots=True)
class Row:
    """A person as the list shows them. `fault` is the metric at fault; a pressure and a temperature may be missing."""

    person: User
    alert: Alert | None
    fault: str
    values: Mapping[str, Latest]
    heard_at: datetime | None
    cadence_s: float
    spark: dict[str, list[Any]]

    @property
    def temperature(self) -> Latest | None:
        return self.values.get("body_temp_c") or self.values.get("skin_temp_c")

    @property
    def pressure(self) -> str:
        both = [self.values.get(name) for name in METRICS_SHOWN[-2:]]
        return "/".join(value.text for value in both if value) if all(both) else ""


def rows_of(people: Sequence[User], *, at: datetime) -> list[Row]:
    """What the rows of a page show: four queries, however many rows."""
    pks = [person.pk for person in people]
    worst = worst_of(wearers=User.objects.filter(pk__in=pks))
    values = latest_values(user_ids=pks, metrics=METRICS_SHOWN, rows=WALKED)
    times = newest_times(user_ids=pks)
    sparks = sparks_of(pks=pks, at=at)
    return [
        Row(
            person=person,
            alert=worst.get(person.pk),
            fault=fault_of(worst.get(person.pk)),
            values=values.get(person.pk, {}),
            heard_at=next(iter(times.get(person.pk, [])), None),
            cadence_s=max(LEAST_CADENCE_S, gap_of(times.get(person.pk, []))),
            spark={"t": sparks[person.pk]["t"], "y": sparks[person.pk]["heart_rate"]},
        )
        for person in people
    ]


@login_required
def wearers(request: HttpRequest) -> HttpResponse:
    """GET /wearers/; with htmx only the list."""
    user = cast("User", request.user)
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    at = timezone.now()
    people, next_page = page_of(user=user, query=query, at=at)
    context = {
        "page_title": "Wearers",
        "query": query,
        "rows": rows_of(people, at=at),
        "next_page": next_page,
        "chips": chips(user=user, query=query, at=at),
        "sizes": [(size, query.address(rows="" if size == SIZES[0] else str(size))) for size in SIZES],
        "by_name": query.address(sort="name"),
        "by_worst": query.address(sort=""),
    }
    return render(request, "_wearers_list.html" if request.headers.get("HX-Request") else "wearers.html", context)
