"""Lists of ten thousand rows: what their address asks for, and a page of them with the counts of all.

Filter, search, sort and page stand in the URL. Pages are keysets over (a number, name, key) or (name, key), forwards or
back. How bad a row is takes a look into other tables, so a list is ranked once a request: its filters are counted, its
page is cut and its place among all is found from what that gave.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final
from urllib.parse import urlencode

from django.db import connection
from django.db.models import QuerySet

from dashboard.facets import Facet, shown_count

SIZES: Final = (24, 50, 100)
# OFFSET 0: else how bad a row is would be worked out for each use of it.
_PAGE: Final = """
WITH ranked AS MATERIALIZED (SELECT *, {number} AS place FROM ({rows} OFFSET 0) rows),
counted AS (SELECT ARRAY[{counts}] AS counts, count(*) FILTER (WHERE {shown} AND NOT {beyond}) AS passed FROM ranked),
page AS (SELECT pk, rank, place, named FROM ranked WHERE {shown} AND {beyond} ORDER BY {order} LIMIT %s)
SELECT counts, passed, place, named, pk, rank FROM counted LEFT JOIN page ON true ORDER BY {order}
"""


class BadQueryError(ValueError):
    """The address asks for something that does not exist."""


@dataclass(frozen=True, slots=True)
class Sort:
    """An order: its name in the address, its label, and the number in SQL, never null, that ranked rows are in order of
    before their names. Backwards it is all the other way round."""

    name: str
    label: str
    number: str = "0"
    is_backwards: bool = False


SORTS: Final = (Sort("worst", "Worst first", "rank"), Sort("name", "By name"))


@dataclass(frozen=True, slots=True)
class Key:
    """A row, as pages end at it: the number it is in order of, its name and key; and, once read, how bad it is."""

    place: float
    name: str
    pk: int
    rank: int = 0

    def __str__(self) -> str:
        return f"{self.place!r}_{self.pk}_{self.name}"


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for: the page after a row or, on the way back, before one. `facets` are further choices by
    their names, empty for none; `usual` is the order where none is asked for."""

    show: str
    facets: Mapping[str, str]
    search: str
    sort: Sort
    size: int
    after: Key | None = None
    before: Key | None = None
    usual: str = SORTS[0].name

    @property
    def parameters(self) -> dict[str, str]:
        chosen = {
            "show": self.show,
            **self.facets,
            "q": self.search,
            "sort": "" if self.sort.name == self.usual else self.sort.name,
            "rows": "" if self.size == SIZES[0] else str(self.size),
        }
        return {name: value for name, value in chosen.items() if value}

    @property
    def is_narrowed(self) -> bool:
        return bool(self.show or self.search or any(self.facets.values()))

    def address(self, **changes: str) -> str:
        """The list with these parameters changed, from its first page."""
        parameters = {name: value for name, value in (self.parameters | changes).items() if value}
        return f"?{urlencode(parameters)}"


@dataclass(frozen=True, slots=True)
class Show:
    """A filter: its name in the address (empty: all), its label, and what it asks of a ranked row, in SQL."""

    name: str
    label: str
    condition: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows in SQL, with the columns `pk`, `rank` (0 is the worst), `named`, and those that filters and orders ask."""

    sql: str
    parameters: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page by key, in order, and where it stands: `passed` rows come before it, `total` are in the list.

    The addresses of its neighbours are empty where there are none; `chips` are the filters with their counts.
    """

    keys: Sequence[Key]
    chips: Sequence[Facet]
    passed: int
    total: int
    size: int
    next_page: str
    previous_page: str

    @property
    def number(self) -> int:
        return -(-self.passed // self.size) + 1

    @property
    def pages(self) -> int:
        """At least as many as the page's number: who came in between may push it on."""
        return max(self.number, -(-self.total // self.size))

    @property
    def span(self) -> str:
        """`25\N{EN DASH}48`."""
        return f"{self.passed + 1:,}\N{EN DASH}{self.passed + len(self.keys):,}"

    @property
    def all_said(self) -> str:
        """How many there are, as `shown_count` says it."""
        return shown_count(self.total)


def read_query(
    parameters: Mapping[str, str],
    *,
    shows: Sequence[Show],
    sorts: Sequence[Sort] = SORTS,
    facets: Collection[str] = (),
) -> Query:
    """Raises BadQueryError for a filter, order, size or page that does not exist."""
    show, order = parameters.get("show", ""), parameters.get("sort", "") or sorts[0].name
    sort = next((each for each in sorts if each.name == order), None)
    size = parameters.get("rows", "") or str(SIZES[0])
    if show not in {each.name for each in shows}:
        raise BadQueryError(f"There is no filter {show!r}.")
    if sort is None:
        raise BadQueryError(f"There is no order {order!r}.")
    if size not in map(str, SIZES):
        raise BadQueryError(f"A page has {', '.join(map(str, SIZES))} rows.")
    after, before = (_key_of(parameters.get(name, "")) for name in ("after", "before"))
    return Query(
        show=show,
        facets={name: _text(parameters, name) for name in facets},
        search=_text(parameters, "q"),
        sort=sort,
        size=int(size),
        after=after,
        before=before if after is None else None,
        usual=sorts[0].name,
    )


def _text(parameters: Mapping[str, str], name: str) -> str:
    return parameters.get(name, "").replace("\x00", "").strip()[:64]


def _key_of(text: str) -> Key | None:
    """The key in an address, None for none; raises BadQueryError for text that is no key."""
    if not text:
        return None
    place, _, rest = text.partition("_")
    pk, _, name = rest.partition("_")
    try:
        number = float(place)
    except ValueError:
        number = float("nan")
    if isnan(number) or not (pk.isascii() and pk.isdigit() and len(pk) < 10) or "\x00" in name:
        raise BadQueryError("That page does not exist.")
    return Key(number, name, int(pk))


def sql_of(rows: QuerySet[Any]) -> Ranked:
    """What a query set asks, to be part of another query; its columns bear the names that it gives them."""
    sql, parameters = rows.order_by().query.sql_with_params()
    return Ranked(sql, tuple(parameters))


def page_of(rows: Ranked, *, query: Query, shows: Sequence[Show]) -> Page:
    """The page that `query` asks for, and the counts of `shows`; one query."""
    key = query.before or query.after
    is_back = query.before is not None
    downwards = query.sort.is_backwards != is_back
    beyond = f"(place, named, pk) {'<' if downwards else '>'} (%s::float8, %s, %s)" if key else "true"
    values = (key.place, key.name, key.pk) if key else ()
    asked = _PAGE.format(
        rows=rows.sql,
        number=f"({query.sort.number})::float8",
        counts=", ".join(f"count(*) FILTER (WHERE {show.condition})" for show in shows),
        shown=f"({next(show.condition for show in shows if show.name == query.show)})",
        beyond=beyond,
        order=", ".join(f"{column}{' DESC' if downwards else ''}" for column in ("place", "named", "pk")),
    )
    with connection.cursor() as cursor:
        cursor.execute(asked, [*rows.parameters, *values, *values, query.size + 1])
        found = cursor.fetchall()
    keys = [Key(*row) for _, _, *row in found if row[2] is not None]
    chips = [
        Facet(show.label, query.address(show=show.name), shown_count(count), query.show == show.name)
        for show, count in zip(shows, found[0][0], strict=True)
    ]
    total = next(n for show, n in zip(shows, found[0][0], strict=True) if show.name == query.show)
    return _page(query, keys, chips, total=total, passed=found[0][1])


def _page(query: Query, found: Sequence[Key], chips: Sequence[Facet], *, total: int, passed: int) -> Page:
    """`found` are one more than fit where there are more; on the way back they and those `passed` come from behind."""
    keys = found[: query.size]
    if query.before is not None:
        keys = keys[::-1]
        has_next, passed = passed > 0, total - passed - len(keys)
    else:
        has_next = len(found) > query.size
    has_previous = passed > 0
    if passed > query.size and keys:
        previous = query.address(before=str(keys[0]))
    else:
        previous = query.address() if has_previous else ""
    following = query.address(after=str(keys[-1])) if has_next and keys else ""
    return Page(keys, chips, passed, total, query.size, following, previous)


def controls(query: Query, page: Page, *, sorts: Sequence[Sort] = SORTS) -> dict[str, Any]:
    """What the templates of every list are told of the address."""
    return {
        "query": query,
        "page": page,
        "chips": page.chips,
        "sizes": [(size, query.address(rows="" if size == SIZES[0] else str(size))) for size in SIZES],
        "sorts": [(sort, query.address(sort="" if sort is sorts[0] else sort.name)) for sort in sorts],
    }
