"""`/audit/`: who changed what, and who read whose health data.

Filters and page stand in the URL. Pages are keysets over (at, id), along an index for each filter, so that the
ten-thousandth page is as near as the first.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required, permission_required
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.export.formats import cell_of
from dashboard.lists import BadQueryError
from devices.account.confirmed import confirm_first, is_confirmed
from devices.models import AuditEntry, Team, User, Verb
from devices.rights.audit import audit_entries, audit_note
from devices.streamed import Streamed
from devices.times import rfc3339

PAGE: Final = 50
ROWS: Final = 1000  # of the file, a piece
FIRST, LAST = date(2000, 1, 1), date(2200, 1, 1)
COLUMNS: Final = ("at", "way", "verb", "actor", "person", "what", "changes", "address")
_NUMBERED: Final = re.compile(r"\b(person|team) (\d{1,18})\b")


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for; `before` is the key of the last row of the page before."""

    person: str
    actor: str
    verb: str
    day: date | None
    before: tuple[datetime, int] | None

    @property
    def parameters(self) -> dict[str, str]:
        day = self.day.isoformat() if self.day else ""
        chosen = {"person": self.person, "actor": self.actor, "verb": self.verb, "day": day}
        return {name: value for name, value in chosen.items() if value}

    def address(self, **changes: str) -> str:
        return f"?{urlencode({name: value for name, value in (self.parameters | changes).items() if value})}"


def read_query(parameters: Mapping[str, str]) -> Query:
    """Raises BadQueryError for a verb, day or page that does not exist."""
    verb = parameters.get("verb", "")
    if verb and verb not in Verb.values:
        raise BadQueryError(f"There is no action {verb!r}.")
    person, actor = (parameters.get(name, "").replace("\x00", "").strip()[:64] for name in ("person", "actor"))
    return Query(person, actor, verb, _day(parameters.get("day", "")), _key(parameters.get("before", "")))


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadQueryError("That is no day: it is written 2026-03-01.") from None
    if not FIRST < day < LAST:
        raise BadQueryError("That day is too far away.")
    return day


def _key(text: str) -> tuple[datetime, int] | None:
    if not text:
        return None
    microseconds, _, pk = text.partition("_")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (microseconds, pk)):
        raise BadQueryError("That page does not exist.")
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds)), int(pk)
    except OverflowError:
        raise BadQueryError("That page does not exist.") from None


def _key_text(entry: AuditEntry) -> str:
    return f"{(entry.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}_{entry.pk}"


def entries(query: Query) -> QuerySet[AuditEntry]:
    """What the query asks for, newest first; days are those of the reader's clock."""
    begins = ends = None
    if query.day:
        begins = datetime.combine(query.day, datetime.min.time(), tzinfo=timezone.get_current_timezone())
        ends = begins + timedelta(days=1)
    return audit_entries(person=query.person, actor=query.actor, verb=query.verb, since=begins, until=ends)


def after_key(found: QuerySet[AuditEntry], key: tuple[datetime, int] | None) -> QuerySet[AuditEntry]:
    """Those behind that row."""
    if key is None:
        return found
    at, pk = key
    return found.filter(Q(at__lte=at) & (Q(at__lt=at) | Q(pk__lt=pk)))


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it is read: people and teams by their present names."""

    entry: AuditEntry
    actor: str
    person: str
    what: str
    changes: tuple[str, ...]


def rows_of(found: Sequence[AuditEntry]) -> list[Row]:
    """Two queries at most, however many they are."""
    numbered = {each for entry in found for each in _NUMBERED.findall(json.dumps(entry.changes) + entry.what)}
    keys = {key for entry in found for key in (entry.actor_key, entry.person_key) if key}
    keys |= {int(number) for kind, number in numbered if kind == "person"}
    teams = {int(number) for kind, number in numbered if kind == "team"}
    people = {user.pk: user.shown_name for user in User.objects.filter(pk__in=keys)} if keys else {}
    names = {f"person {pk}": name for pk, name in people.items()}
    if teams:
        names |= {f"team {team.pk}": f"team {team.name}" for team in Team.objects.filter(pk__in=teams)}
    return [
        Row(
            entry,
            people.get(entry.actor_key or 0, "") or _erased(entry.actor),
            people.get(entry.person_key or 0, "") or _erased(entry.person),
            _words(entry.what, names),
            tuple(_change(name, change, names) for name, change in entry.changes.items()),
        )
        for entry in found
    ]


def _erased(name: str) -> str:
    """A keyed hash is too long to be read."""
    return f"erased {name[:8]}" if re.fullmatch(r"[0-9a-f]{64}", name) else name


def _change(name: str, change: list[Any], names: Mapping[str, str]) -> str:
    if not change:
        return f"{name} changed"
    was, became = ("none" if value in (None, "", []) else _words(value, names) for value in change)
    return f"{name}: {was} → {became}"


def _words(value: Any, names: Mapping[str, str]) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return _NUMBERED.sub(lambda match: names.get(match[0], match[0]), text)


@login_required
@permission_required("devices.view_audit", raise_exception=True)
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """GET /audit/."""
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    page = list(after_key(entries(query), query.before)[: PAGE + 1])
    context = {
        "page_title": "Audit log",
        "query": query,
        "rows": rows_of(page[:PAGE]),
        "next_page": query.address(before=_key_text(page[PAGE - 1])) if len(page) > PAGE else "",
        "verbs": Verb.choices,
    }
    return render(request, "audit.html", context)


@login_required
@permission_required("devices.view_audit", raise_exception=True)
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """GET /audit/audit.csv: all that the filters find, which is noted too."""
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    if not is_confirmed(request):
        here = reverse("audit") + query.address().removesuffix("?")
        return confirm_first(request, then=here, say="Nothing was exported yet: choose it once more.")
    with transaction.atomic():
        audit_note(verb=Verb.AUDIT_EXPORTED, by=cast("User", request.user))
    response = Streamed(_file(entries(query)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="telara-audit.csv"'
    return response


def _file(found: QuerySet[AuditEntry]) -> Iterator[bytes]:
    yield _csv([COLUMNS])
    key: tuple[datetime, int] | None = None
    while page := list(after_key(found, key)[:ROWS]):
        yield _csv([_cells(entry) for entry in page])
        key = (page[-1].at, page[-1].pk)


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _cells(entry: AuditEntry) -> list[Any]:
    changes = json.dumps(entry.changes) if entry.changes else ""
    rest = (entry.way, entry.verb, entry.actor, entry.person, entry.what, changes, entry.address or "")
    return [rfc3339(entry.at), *map(cell_of, rest)]
