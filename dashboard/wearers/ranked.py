"""Who is on the list of wearers: its filters, its orders, and what both ask of the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Case, IntegerField, Max, Min, QuerySet, Value, When

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Severity
from dashboard.facets import Facet
from dashboard.lists import Query, Ranked, Show, Sort, sql_of
from devices.models import Device, Team, TeamWearer, User
from devices.searching import found_in

SILENT_FOR: Final = timedelta(minutes=5)
FACETS: Final = ("group", "kind")
_RANKS: Final = {severity: place for place, severity in enumerate(Severity.values)}
NO_ALERT: Final = 2 * len(_RANKS)
SHOWS: Final = (
    Show("", "All", "true"),
    Show("alerting", "Alerting", f"rank < {len(_RANKS)}"),
    Show("technical", "Technical", "is_technical"),
    Show("nodata", "No data", "is_silent"),
    Show("pinned", "Pinned", "is_pinned"),
)
SORTS: Final = (
    Sort("worst", "Worst first", "rank"),
    Sort("name", "Name, A to Z"),
    Sort("-name", "Name, Z to A", is_backwards=True),
    Sort("heart", "Heart rate, highest first", "coalesce(-asked, 'Infinity')"),
    Sort("-heart", "Heart rate, lowest first", "coalesce(asked, 'Infinity')"),
    Sort("spo2", "SpO₂, lowest first", "coalesce(asked, 'Infinity')"),
    Sort("-spo2", "SpO₂, highest first", "coalesce(-asked, 'Infinity')"),
    Sort("temperature", "Temperature, highest first", "coalesce(-asked, 'Infinity')"),
    Sort("-temperature", "Temperature, lowest first", "coalesce(asked, 'Infinity')"),
    Sort("seen", "Heard longest ago first", "coalesce(asked, '-Infinity')"),
    Sort("-seen", "Heard last first", "coalesce(-asked, 'Infinity')"),
)

# What an order asks of each person, `asked` by the first word of its name: the newest of what is not older than this
# page calls silence, for values; of all readings, for when they were heard.
_NEWEST: Final = """(SELECT {what} FROM devices_reading r WHERE r.user_id = p.id AND {narrowed}
 ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT 1)"""
_ASKED: Final = {
    "heart": _NEWEST.format(what="r.heart_rate", narrowed="r.recorded_at >= %s AND r.heart_rate IS NOT NULL"),
    "spo2": _NEWEST.format(what="r.spo2_percent", narrowed="r.recorded_at >= %s AND r.spo2_percent IS NOT NULL"),
    "temperature": _NEWEST.format(
        what="coalesce(r.body_temp_c, r.skin_temp_c)",
        narrowed="r.recorded_at >= %s AND coalesce(r.body_temp_c, r.skin_temp_c) IS NOT NULL",
    ),
    "seen": _NEWEST.format(what="extract(epoch FROM r.recorded_at)::float8", narrowed="true"),
}

# Alerts are read once for all; of readings one look each into the partition of the present (LIMIT keeps it so).
_RANKED: Final = f"""
SELECT p.id AS pk, coalesce(w.rank, {NO_ALERT}) AS rank, coalesce(nullif(p.display_name, ''), p.username) AS named,
       coalesce(w.technical, 0) = 1 AS is_technical, {{asked}} AS asked,
       (SELECT true FROM devices_reading r WHERE r.user_id = p.id AND r.recorded_at >= %s LIMIT 1) IS NULL AS is_silent,
       p.id IN (SELECT person_id FROM devices_pin WHERE viewer_id = %s) AS is_pinned
FROM ({{people}}) p LEFT JOIN ({{worst}}) w ON w.user_id = p.id
"""


def wearers_ranked(*, user: User, at: datetime, query: Query) -> Ranked:
    """Those `user` may see and `query` does not leave out but by its filter: rank 0 is the worst clinical alert,
    NO_ALERT none; `asked` is what the order asks of each."""
    people = sql_of(_people(user, query).values("id", "username", "display_name"))
    worst = _worst()
    asked = _ASKED.get(query.sort.name.removeprefix("-"), "NULL::float8")
    since = at - SILENT_FOR
    return Ranked(
        _RANKED.format(people=people.sql, worst=worst.sql, asked=asked),
        (*[since] * asked.count("%s"), since, user.pk, *people.parameters, *worst.parameters),
    )


def _people(user: User, query: Query) -> QuerySet[User]:
    people = User.objects.wearers_visible_to(user)
    if query.search:
        people = people.filter(found_in(query.search, "username", "display_name"))
    if kind := query.facets["kind"]:
        people = people.filter(pk__in=Device.objects.filter(kind=kind).values("user"))
    if group := query.facets["group"]:
        team = int(group) if group.isascii() and group.isdigit() and len(group) < 10 else 0
        of_team = TeamWearer.objects.filter(team__in=teams_of(user=user).filter(pk=team).order_by())
        people = people.filter(pk__in=of_team.values("wearer"))
    return people


def _worst() -> Ranked:
    """By `user_id` the worst `rank` of what fires, and whether any of it is `technical` (1)."""
    is_technical = When(alert_class=AlertClass.TECHNICAL, then=Value(1))
    severity = Case(
        *[When(severity=severity, then=Value(place)) for severity, place in _RANKS.items()],
        output_field=IntegerField(),
    )
    technical = Case(is_technical, default=Value(0), output_field=IntegerField())
    firing = Alert.objects.open().filter(user__isnull=False, episode=EpisodeState.FIRING)
    ranks = {"rank": Min(severity + technical * Value(len(_RANKS))), "technical": Max(technical)}
    return sql_of(firing.order_by().values("user_id").annotate(**ranks))


def teams_of(*, user: User) -> QuerySet[Team]:
    """The teams by which `user` may narrow the list: those they are in; all, for who sees everybody."""
    sees_all = user.is_active and user.has_perm("devices.view_all_wearers")
    return (Team.objects.all() if sees_all else Team.objects.filter(analysts__analyst=user)).order_by("name")


def group_choices(query: Query, teams: Sequence[Team]) -> list[Facet]:
    """All, and each team."""
    return _choices(query, "group", [("", "all"), *((str(team.pk), team.name) for team in teams)])


def kind_choices(query: Query, kinds: Sequence[str]) -> list[Facet]:
    """Any, and each kind of device."""
    return _choices(query, "kind", [("", "any"), *((kind, kind) for kind in kinds)])


def _choices(query: Query, name: str, values: Sequence[tuple[str, str]]) -> list[Facet]:
    """What is chosen is among them, also where the address asks for what is not there."""
    chosen = query.facets[name]
    if chosen not in dict(values):
        values = [*values, (chosen, "gone" if name == "group" else chosen)]
    return [Facet(label, query.address(**{name: value}), "", value == chosen) for value, label in values]
