"""The quarantine inspector: which refused messages, and who may see what of them.

Reason, topic and time narrow the list; all of it stands in the URL. Pages are keysets over (received_at, id), so that
the ten-thousandth row is as near as the first, and no list reads a payload.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import User
from devices.rights.looks import bytes_note
from devices.times import rfc3339
from ingestion.decode.verdicts import Code
from ingestion.models import PartitionLedger, QuarantinedMessage
from ingestion.page.reasons import words_of
from ingestion.page.shown_bytes import Marked, as_hex, as_text, marked
from ingestion.page.throughput import SPANS, Span
from ingestion.write.quarantine import KEPT_BYTES, KEPT_KEY_BYTES

PAGE: Final = 50
COUNTED_MOST: Final = 10_000
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class BadQueryError(ValueError):
    """The address asks for something that does not exist."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for; `before` is the key of the last row of the page before, `message` the one that is open."""

    span: Span
    reason: str
    topic: str
    since: datetime | None
    until: datetime | None
    before: tuple[datetime, int] | None
    message: int | None

    @property
    def parameters(self) -> dict[str, str]:
        """Those that narrow the list, and the span."""
        chosen = {
            "range": "" if self.span is SPANS[0] else self.span.name,
            "reason": self.reason,
            "topic": self.topic,
            "since": _field(self.since),
            "until": _field(self.until),
        }
        return {name: value for name, value in chosen.items() if value}

    @property
    def here(self) -> dict[str, str]:
        """All that says which page this is, but for the message that is open."""
        return self.parameters | ({"before": _cursor_text(*self.before)} if self.before else {})

    @property
    def is_narrowed(self) -> bool:
        return bool(self.parameters.keys() - {"range"})

    def address(self, **changes: str) -> str:
        """The page with these parameters changed, from the first rows on."""
        return f"?{urlencode({name: value for name, value in (self.parameters | changes).items() if value})}"

    def opened(self, pk: int | None) -> str:
        """This page with that message open, or none."""
        return f"?{urlencode(self.here | ({'message': str(pk)} if pk else {}))}"


def read_query(parameters: Mapping[str, str]) -> Query:
    """Raises BadQueryError for a range, reason, time, page or message that cannot be."""
    span = next((each for each in SPANS if each.name == (parameters.get("range") or SPANS[0].name)), None)
    reason, message = parameters.get("reason", ""), parameters.get("message", "")
    if span is None:
        raise BadQueryError(f"There is no range {parameters['range']!r}.")
    if reason and reason not in set(Code):
        raise BadQueryError(f"There is no reason {reason!r}.")
    return Query(
        span,
        reason,
        parameters.get("topic", "").replace("\x00", "")[:249],
        _time(parameters.get("since", "")),
        _time(parameters.get("until", "")),
        _cursor(parameters.get("before", "")),
        _number(message) if message else None,
    )


def _time(text: str) -> datetime | None:
    """A time as a form sends it, by the reader's clock where it names no offset."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = (at.replace(tzinfo=timezone.get_current_timezone()) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQueryError("That is no date and time.") from None
    if not EARLIEST <= at <= LATEST:
        raise BadQueryError("That time is too far away.")
    return at


def _field(at: datetime | None) -> str:
    """A time as an address holds it, for readers by any clock."""
    return at.isoformat(timespec="minutes") if at else ""


def _cursor(text: str) -> tuple[datetime, int] | None:
    if not text:
        return None
    at, _, pk = text.partition("_")
    received_at = _time(at)
    if received_at is None:
        raise BadQueryError("That page does not exist.")
    return received_at, _number(pk)


def _cursor_text(received_at: datetime, pk: int) -> str:
    return f"{rfc3339(received_at)}_{pk}"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadQueryError("There is no such message.")
    return int(text)


def may_see_bytes(user: User) -> bool:
    """Who may see what was sent: a refused message may be about anybody, so it takes the right to see everybody too."""
    return user.has_perms(["ingestion.view_payload", "devices.view_all_wearers"])


def may_send_again(user: User) -> bool:
    """Who may send refused messages again."""
    return user.has_perm("ingestion.send_again")


def why_not_again(message: QuarantinedMessage) -> str:
    """Why a message cannot be sent again; empty where it can."""
    if message.sent_again_at is not None:
        return "It was sent again already."
    if message.reason == Code.ERASED_USER:
        return "It is of somebody who was deleted: nothing of it was kept."
    if message.size > KEPT_BYTES:
        return f"Only the first {KEPT_BYTES:,} of its {message.size:,} bytes were kept: the rest is gone."
    if len(message.key) >= KEPT_KEY_BYTES:
        return "Its key is longer than what is kept of one."
    return ""


@dataclass(frozen=True, slots=True)
class Row:
    """A refused message as the list shows it; `became` is what came of sending it again."""

    message: QuarantinedMessage
    words: str
    why_not: str
    became: str


def narrowed(query: Query) -> QuerySet[QuarantinedMessage]:
    """The messages that `query` asks for, in no order, without their bytes."""
    rows = QuarantinedMessage.objects.defer("payload")
    if query.reason:
        rows = rows.filter(reason=query.reason)
    if query.topic:
        rows = rows.filter(topic=query.topic)
    if query.since:
        rows = rows.filter(received_at__gte=query.since)
    if query.until:
        rows = rows.filter(received_at__lte=query.until)
    return rows


def page_of(query: Query) -> tuple[list[Row], str]:
    """A page, newest first, and the address of the next one (empty at the end)."""
    rows = narrowed(query).select_related("sent_again_by")
    if query.before is not None:
        at, pk = query.before
        rows = rows.filter(Q(received_at__lte=at) & (Q(received_at__lt=at) | Q(pk__lt=pk)))
    page = list(rows.order_by("-received_at", "-pk")[: PAGE + 1])
    last = page[PAGE - 1] if len(page) > PAGE else None
    following = query.address(before=_cursor_text(last.received_at, last.pk)) if last else ""
    return rows_of(page[:PAGE]), following


def rows_of(messages: Sequence[QuarantinedMessage]) -> list[Row]:
    """With what came of those that were sent again: two queries, however many they are, and none for none."""
    became = _became([each for each in messages if each.sent_again_at is not None])
    return [
        Row(each, words_of(each.reason, each.field), why_not_again(each), became.get(each.pk, "")) for each in messages
    ]


def _became(sent: Sequence[QuarantinedMessage]) -> dict[int, str]:
    """By what stands at the place where each was sent: refused again, or stored as soon as the ledger is past it."""
    if not sent:
        return {}
    places = {(each.topic, each.sent_again_partition, each.sent_again_offset): each.pk for each in sent}
    topics, partitions, offsets = zip(*places, strict=True)
    first = min(each.sent_again_at for each in sent if each.sent_again_at)
    again = QuarantinedMessage.objects.filter(
        topic__in=topics, partition__in=partitions, offset__in=offsets, created_at__gte=first
    ).values_list("topic", "partition", "offset", "reason")
    refused = {places.get((topic, partition, offset)): reason for topic, partition, offset, reason in again}
    ledger = PartitionLedger.objects.filter(topic__in=topics).order_by("updated_at")
    stored = {tuple(place): until for *place, until in ledger.values_list("topic", "partition", "next_offset")}
    became = {}
    for (topic, number, offset), pk in places.items():
        is_past = (stored.get((topic, number or 0)) or 0) > (offset or 0)
        became[pk] = f"refused again, {refused[pk]}" if pk in refused else "stored" if is_past else "on its way"
    return became


@dataclass(frozen=True, slots=True)
class Opened:
    """One message with its coordinates; `key`, `text` and `hexes` are None for who may not see its bytes."""

    row: Row
    key: str | None
    text: Marked | None
    hexes: str | None

    @property
    def is_cut(self) -> bool:
        return self.row.message.size > KEPT_BYTES


def opened(*, pk: int, user: User, at: datetime) -> Opened | None:
    """The message with that id, its bytes only for who may see them, which is noted; None where there is none."""
    messages = QuarantinedMessage.objects.select_related("sent_again_by")
    if not may_see_bytes(user):
        found = messages.defer("payload").filter(pk=pk).first()
        return Opened(rows_of([found])[0], None, None, None) if found else None
    found = messages.filter(pk=pk).first()
    if found is None:
        return None
    bytes_seen(found, by=user, at=at)
    raw = bytes(found.payload[:KEPT_BYTES])
    return Opened(rows_of([found])[0], as_text(bytes(found.key)), marked(raw, field=found.field), as_hex(raw))


def bytes_seen(message: QuarantinedMessage, *, by: User, at: datetime) -> None:
    """Note that they saw its bytes: where its key names a person, that person's."""
    name = bytes(message.key).decode("utf-8", "replace")
    bytes_note(viewer=by, name=name, message=message.pk, at=at)


def counted(query: Query) -> int:
    """How many the query finds, counted up to COUNTED_MOST."""
    return narrowed(query).order_by()[:COUNTED_MOST].values("pk").count()


def topics_known() -> list[str]:
    """The topics that consumers have read."""
    return list(PartitionLedger.objects.order_by("topic").values_list("topic", flat=True).distinct())
