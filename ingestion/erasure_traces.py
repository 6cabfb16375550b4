"""What knows a person by their name, or by a number that is no foreign key: no cascade finds it."""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import reduce
from itertools import count
from operator import or_
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast

from alerts.models import Alert, AlertChange, OutboxEntry, SavedView
from alerts.services.assignment import NAME_KEPT
from devices.account.sessions import session_person
from devices.erasures import REPLACED, name_hash
from devices.models import Erasure, Invitation, Note, Simulation, Team, User
from devices.rights.audit import audit_forget
from ingestion.models import Mishap, Placement, QuarantinedMessage


@dataclass(frozen=True, slots=True)
class _Text:
    """A column whose sentences may name people, in these rows. Of JSON the values that are text are read, or of those
    the ones under `key` alone: its keys and numbers are nobody's name. Of an address, `is_query`, the parameters."""

    model: type[Model]
    column: str
    rows: Q = field(default_factory=Q)
    key: str = ""
    is_query: bool = False


# Alerts of the pipeline and what befell it name people in their sentences ("user_001 came by partition 3"), views that
# somebody saved in their addresses ("wearer=user_001"), notes about others in what somebody wrote, and the admin's log
# in what it calls rows ("user_001 watches user_002"). The audit log is not among them: it holds names in columns of
# their own, and whoever chose a word of it as their user id would rewrite it by being erased.
_OF_NOBODY: Final = Q(user=None)
_TEXTS: Final = (
    _Text(Mishap, "text"),
    _Text(Alert, "description", _OF_NOBODY),
    _Text(Alert, "evidence", _OF_NOBODY),
    _Text(OutboxEntry, "payload", Q(key="#pipeline")),
    _Text(SavedView, "name"),
    _Text(SavedView, "query", is_query=True),
    _Text(Note, "text"),
    _Text(Team, "name"),
    _Text(Team, "description"),
    _Text(Invitation, "note"),
    _Text(LogEntry, "object_repr"),
    _Text(LogEntry, "change_message", key="object"),
)
# Parameters of the alerts list whose values are words of ours, or a rule's id. Whatever else there is may name people.
NAME_NOBODY: Final = frozenset({"view", "severity", "class", "rule"})
# Where a name is its row's own: among all, or among those that have the same of these columns.
_UNIQUE: Final[dict[type[Model], tuple[str, ...]]] = {Team: (), SavedView: ("user_id",)}
# Where the name, or an escaped letter, occurs at all the bytes are looked at as text, in which a backslash is two.
_QUARANTINED: Final = r"""
SELECT id FROM ingestion_quarantinedmessage
 WHERE key = %(name)s
    OR (position(%(name)s IN payload) > 0 OR position('\\u00'::bytea IN payload) > 0)
       AND encode(payload, 'escape') ~ %(said)s
 LIMIT %(rows)s
"""


def trace_remove(erasure: Erasure, *, rows: int) -> bool:
    """Remove at most `rows` of the first kind of trace that there is; whether there was any."""
    return any(remove(erasure, rows) for remove in _REMOVE)


def _quarantined(erasure: Erasure, rows: int) -> bool:
    """Messages under their key, and those that say they are theirs: cut bytes, so they are searched and not read.

    The name anywhere else is no name: it may be the word for what was measured.
    """
    name, said = erasure.username.encode(), _said_as_user_id(erasure.username)
    with connection.cursor() as cursor:
        cursor.execute(_QUARANTINED, {"name": name, "said": said, "rows": rows})
        found = [row[0] for row in cursor.fetchall()]
    return QuarantinedMessage.objects.filter(pk__in=found).delete()[0] > 0


def _said_as_user_id(name: str) -> str:
    """What `"user_id": NAME` looks like in bytes that PostgreSQL wrote as text, quoted or not, at their end or not."""
    letters = (rf"(?:{re.escape(each)}|\\\\u00{ord(each):02x}|\\\\u00{ord(each):02X})" for each in name)
    spelled = "".join(letters)
    return rf'"user_id"\s*:\s*(?:"{spelled}(?:"|$)|{spelled}(?:[\s,}}]|$))'


def _outbox(erasure: Erasure, rows: int) -> bool:
    names = (erasure.username, erasure.user.username)
    return _some(OutboxEntry.objects.filter(key__in=names), rows)


def _placements(erasure: Erasure, rows: int) -> bool:
    return _some(Placement.objects.filter(user_id=erasure.username), rows)


def _simulations(erasure: Erasure, rows: int) -> bool:
    return _some(Simulation.objects.filter(wearer_id=erasure.username), rows)


def _admin_log(erasure: Erasure, rows: int) -> bool:
    """What staff did to the account; where rows of others name the person, that is among the texts."""
    of_account = Q(content_type=ContentType.objects.get_for_model(User), object_id=str(erasure.user_id))
    return _some(LogEntry.objects.filter(of_account), rows)


def _sessions(erasure: Erasure, _rows: int) -> bool:
    """Sessions say whose they are only once they are read."""
    mine = [each.pk for each in Session.objects.iterator() if session_person(each.get_decoded()) == _key(erasure)]
    return Session.objects.filter(pk__in=mine).delete()[0] > 0


def _audit(erasure: Erasure, rows: int) -> bool:
    """The log keeps what was done, and the keyed hash of who did it, or whom it was done to."""
    return audit_forget(user_id=erasure.user_id, name=name_hash(erasure.username), rows=rows)


def _assignments(erasure: Erasure, rows: int) -> bool:
    """Alerts of others say whom they were given to, in as many letters as their history keeps."""
    names = {erasure.username[:NAME_KEPT], erasure.user.username[:NAME_KEPT]} - {REPLACED}
    given = AlertChange.objects.filter(action="assign").order_by("pk").values_list("pk", flat=True)
    changed = 0
    for column in ("was", "became"):
        found = list(given.filter(**{f"{column}__in": names})[:rows])
        changed += AlertChange.objects.filter(pk__in=found).update(**{column: REPLACED})
    return changed > 0


def _texts(erasure: Erasure, _rows: int) -> bool:
    """Where a name stands as a word in a text, REPLACED stands instead; whether that changed any."""
    spelled = {erasure.username, quote(erasure.username, safe="")}
    words = "|".join(re.escape(each) for each in spelled)
    word = re.compile(rf"(?<![A-Za-z0-9_@+:.-])(?:{words})(?![A-Za-z0-9_@+-]|\.[0-9])")
    return sum(_rewritten(text, spelled, word) for text in _TEXTS) > 0


def _rewritten(text: _Text, spelled: Collection[str], word: re.Pattern[str]) -> int:
    """How many rows said something else afterwards: not one whose name reads like what is put in its place."""
    spells = reduce(or_, (Q(spoken__contains=each) for each in spelled))
    found = text.model._default_manager.filter(text.rows).alias(spoken=Cast(text.column, TextField()))
    changed = 0
    for pk, was in list(found.filter(spells).select_for_update(of=("self",)).values_list("pk", text.column)):
        became = _without_in_query(was, word) if text.is_query else _without(was, word, text.key)
        if became != was:
            text.model._default_manager.filter(pk=pk).update(**{text.column: _fitting(text, became, pk)})
            changed += 1
    return changed


def _without(value: Any, word: re.Pattern[str], key: str = "") -> Any:
    """`value`, text or JSON, without the name; of JSON that is kept as text, under `key` alone."""
    if key:
        return _without_under(value, word, key)
    if isinstance(value, str):
        return word.sub(REPLACED, value)
    if isinstance(value, list):
        return [_without(each, word) for each in value]
    if isinstance(value, dict):
        return {name: _without(each, word) for name, each in value.items()}
    return value


def _without_under(written: str, word: re.Pattern[str], key: str) -> str:
    """The admin's message is a JSON list of what was done, or a sentence of ours, which names nobody."""
    if not written.startswith("["):
        return written

    def named(read: dict[str, Any]) -> dict[str, Any]:
        return {name: _without(each, word) if name == key else each for name, each in read.items()}

    read = json.loads(written)
    became = json.loads(written, object_hook=named)
    return written if became == read else json.dumps(became)


def _without_in_query(query: str, word: re.Pattern[str]) -> str:
    """Decoded, so that a word beside another one is one: in an address it is `+` that stands between."""
    pairs = parse_qsl(query, keep_blank_values=True)
    became = [(name, value if name in NAME_NOBODY else word.sub(REPLACED, value)) for name, value in pairs]
    return query if became == pairs else urlencode(became)


def _fitting(text: _Text, value: Any, pk: Any) -> Any:
    """Cut to what the column holds; of a name that is its row's own, one that no other row has."""
    longest: int | None = getattr(text.model._meta.get_field(text.column), "max_length", None)
    if not isinstance(value, str) or longest is None:
        return value
    if text.model not in _UNIQUE or text.column != "name":
        return value[:longest]
    rows = text.model._default_manager.all()
    row = rows.get(pk=pk)
    others = rows.filter(**{each: getattr(row, each) for each in _UNIQUE[text.model]}).exclude(pk=pk)
    tries = (value[:longest] if n == 1 else f"{value[: longest - len(str(n)) - 1]} {n}" for n in count(1))
    return next(each for each in tries if not others.filter(name__iexact=each).exists())


def _key(erasure: Erasure) -> str:
    return str(erasure.user_id)


def _some(found: QuerySet[Any], rows: int) -> bool:
    keys = list(found.order_by("pk").values_list("pk", flat=True)[:rows])
    found.model._default_manager.filter(pk__in=keys).delete()
    return bool(keys)


_REMOVE: Final[tuple[Callable[[Erasure, int], bool], ...]] = (
    _quarantined,
    _outbox,
    _placements,
    _simulations,
    _sessions,
    _admin_log,
    _audit,
    _assignments,
    _texts,
)
