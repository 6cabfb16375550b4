"""The facets of the alerts list: links that narrow it, each with how many rows it would show.

A facet counts what all others leave, and the alerts are read once for all of them: each row is marked with the facets
that would keep it out, and a facet counts the rows that no other one does. COUNTED alerts are read at most: those that
are open before those that are closed or withdrawn, the newest of each first. Where there are more, counts say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

from django.db import connection
from django.db.models import BooleanField, Case, IntegerField, Value, When

from alerts.models import Alert
from alerts.models.alert import AlertClass, Severity
from dashboard.desk.query import HOLDER, IS_OPEN, NOBODY, VIEWS, Query, View, narrowings
from dashboard.facets import Facet, shown_count
from devices.models import User

COUNTED: Final = 20_000
SHOWN: Final = 5
FOLDED: Final = 100  # behind "more"; who looks for another one searches
# What keeps a row out, a bit each; `q` is the search, which no link takes back.
_BITS: Final = {
    name: 1 << place for place, name in enumerate(("view", "severity", "class", "rule", "wearer", "who", "q"))
}

_SHOWN_NAME: Final = (
    "coalesce(nullif(u.display_name, ''), nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username, '')"
)
_COUNTS: Final = f"""
WITH still_open AS MATERIALIZED ({{still_open}}),
past AS (SELECT * FROM ({{past}}) newest LIMIT {{counted}} - (SELECT count(*) FROM still_open)),
base AS MATERIALIZED (SELECT * FROM still_open UNION ALL SELECT * FROM past)
SELECT 'all', 'open', '', count(*) FROM still_open
UNION ALL
SELECT 'all', 'past', '', count(*) FROM base
UNION ALL
SELECT 'view', view.name, '', view.n
FROM (SELECT {", ".join(f"count(*) FILTER (WHERE is_{view.name}) AS is_{view.name}" for view in VIEWS)}
      FROM base WHERE kept_out IN (0, {_BITS["view"]})) counted
CROSS JOIN LATERAL (VALUES {", ".join(f"('{view.name}', counted.is_{view.name})" for view in VIEWS)}) AS view (name, n)
UNION ALL
SELECT 'severity', severity, '', count(*) FROM base WHERE kept_out IN (0, {_BITS["severity"]}) GROUP BY severity
UNION ALL
SELECT 'class', alert_class, '', count(*) FROM base WHERE kept_out IN (0, {_BITS["class"]}) GROUP BY alert_class
UNION ALL
(SELECT 'rule', r.rule_id, r.rule_id, counted.n
 FROM (SELECT rule_id, count(*) AS n FROM base WHERE kept_out IN (0, {_BITS["rule"]}) GROUP BY rule_id) counted
 JOIN alerts_rule r ON r.id = counted.rule_id ORDER BY counted.n DESC, r.rule_id LIMIT {FOLDED})
UNION ALL
(SELECT 'wearer', u.username, {_SHOWN_NAME}, counted.n
 FROM (SELECT user_id, count(*) AS n FROM base WHERE kept_out IN (0, {_BITS["wearer"]}) GROUP BY user_id) counted
 JOIN devices_user u ON u.id = counted.user_id ORDER BY counted.n DESC, u.username LIMIT {FOLDED})
UNION ALL
(SELECT 'who', coalesce(u.username, ''), {_SHOWN_NAME}, counted.n
 FROM (SELECT holder, count(*) AS n FROM base WHERE kept_out IN (0, {_BITS["who"]}) GROUP BY holder) counted
 LEFT JOIN devices_user u ON u.id = counted.holder ORDER BY counted.n DESC, u.username LIMIT {FOLDED})
"""
Choice = tuple[str, str, int]  # value, label, how many


@dataclass(frozen=True, slots=True)
class Group:
    """A facet of as many choices as there are: the most frequent ones, those behind them, and whether one is chosen."""

    title: str
    shown: Sequence[Facet]
    folded: Sequence[Facet]
    noun: str


@dataclass(frozen=True, slots=True)
class Facets:
    """All of them; `matching` is how many rows the list has, in words."""

    views: Sequence[Facet]
    severities: Sequence[Facet]
    classes: Sequence[Facet]
    groups: Sequence[Group]
    matching: str


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was counted in `view`, by facet, the most frequent first."""

    choices: Mapping[str, Sequence[Choice]]
    view: View

    def of(self, facet: str, value: str) -> str:
        return self.said(self._count(facet, value))

    def of_view(self, view: View) -> str:
        return self.said(self._count("view", view.name), view)

    def said(self, count: int, view: View | None = None) -> str:
        read = self._count("all", "past" if (view or self.view).is_past else "open")
        return shown_count(count, at_least=read >= COUNTED)

    def _count(self, facet: str, value: str) -> int:
        return sum(n for each, _, n in self.choices[facet] if each == value)


def facets_of(*, user: User, query: Query) -> Facets:
    """The facets and their counts, in one query."""
    counts = _counted(user, query)
    return Facets(
        views=[
            Facet(
                view.label,
                query.address(view="" if view is VIEWS[0] else view.name),
                counts.of_view(view),
                view is query.view,
            )
            for view in VIEWS
        ],
        severities=_severities(query, counts),
        classes=_classes(query, counts),
        groups=[
            _group("Rule", "rules", "rule", query, counts, counts.choices["rule"]),
            _group("Wearer", "wearers", "wearer", query, counts, counts.choices["wearer"]),
            _group("Who has it", "people", "who", query, counts, _holders(counts.choices["who"], user)),
        ],
        matching=counts.of_view(query.view),
    )


def _counted(user: User, query: Query) -> _Counts:
    out: list[Any] = [
        Case(When(narrowed, then=Value(0)), default=Value(_BITS[name]), output_field=IntegerField())
        for name, narrowed in narrowings(user=user, query=query).items()
    ]
    views: dict[str, Any] = {
        f"is_{view.name}": Case(
            When(view.narrowed(user), then=Value(value=True)), default=Value(value=False), output_field=BooleanField()
        )
        for view in VIEWS
    }
    rows = Alert.objects.visible_to(user).annotate(holder=HOLDER, kept_out=reduce(add, out), **views)
    columns = ("severity", "alert_class", "rule_id", "user_id", "holder", "kept_out", *views)
    rows = rows.order_by("-opened_at").values(*columns)
    still_open, of_open = rows.filter(IS_OPEN)[:COUNTED].query.sql_with_params()
    past, of_past = rows.filter(~IS_OPEN)[:COUNTED].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(still_open=still_open, past=past, counted=COUNTED), (*of_open, *of_past))
        found = cursor.fetchall()
    choices: dict[str, list[Choice]] = {name: [] for name in ("all", *_BITS)}
    for facet, value, label, count in found:
        choices[facet].append((value, label, count))
    return _Counts(choices, query.view)


def _severities(query: Query, counts: _Counts) -> list[Facet]:
    return [
        Facet(
            severity.capitalize(),
            query.address(severity="" if query.severity == severity else severity),
            counts.of("severity", severity),
            query.severity == severity,
            severity,
        )
        for severity in Severity.values
    ]


def _classes(query: Query, counts: _Counts) -> list[Facet]:
    every = counts.said(sum(n for _, _, n in counts.choices["class"]))
    choices = [("", "All", every)]
    choices += [(value, value.capitalize(), counts.of("class", value)) for value in AlertClass.values]
    return [
        Facet(label, query.address(**{"class": value}), count, query.alert_class == value)
        for value, label, count in choices
    ]


def _holders(counted: Sequence[Choice], user: User) -> list[Choice]:
    """Me first, then nobody, then the others."""
    by_name = {name: n for name, _, n in counted}
    others = [choice for choice in counted if choice[0] not in ("", user.username)]
    return [(user.username, "Me", by_name.get(user.username, 0)), (NOBODY, "Nobody", by_name.get("", 0)), *others]


def _group(  # noqa: PLR0913, PLR0917  # what a group shows, and what it is made of
    title: str, noun: str, name: str, query: Query, counts: _Counts, choices: Sequence[Choice]
) -> Group:
    """What is chosen is shown even where nothing is left of it."""
    chosen = query.parameters.get(name, "")
    if chosen and chosen not in {value for value, _, _ in choices}:
        choices = [(chosen, chosen, 0), *choices]
    facets = [
        Facet(label, query.address(**{name: "" if value == chosen else value}), counts.said(count), value == chosen)
        for value, label, count in sorted(choices, key=lambda choice: choice[0] != chosen)
    ]
    return Group(title, facets[:SHOWN], facets[SHOWN:], noun)
