"""Readings that are posted: judged one by one as the stream judges them, and handed to the broker."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from devices.models import User
from ingestion.decode.exact import MAX_BYTES, judge_event
from ingestion.decode.verdicts import Code, Limits, Rejected
from ingestion.send.producer import Outgoing, Producer

MAX_ITEMS: Final = 1_000
MAX_BODY: Final = 1024 * 1024
NOT_ALLOWED: Final = "not_allowed"
PATIENCE_S: Final = 10.0  # for the broker's acknowledgement


class NotTakenError(Exception):
    """The broker did not acknowledge every accepted item; sending all of them again is safe."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Whose readings are taken: `only` one user_id's, or anyone's where it is None; and which are never stored.

    Where people are not provisioned, readings of an unknown one are refused here, too.
    """

    only: str | None
    limits: Limits
    provision: bool = True


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why the item at `index` was refused; `field` is empty where it is the whole item."""

    index: int
    code: str
    field: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a post."""

    accepted: int
    errors: tuple[ItemError, ...]


def take_in(items: Sequence[Any], *, terms: Terms, producer: Producer, topic: str, received_at: datetime) -> Taken:
    """Send the good ones of `items` (parsed events); raises NotTakenError unless the broker has all of those."""
    verdicts = [_judge(item, terms, topic, received_at) for item in items]
    if not terms.provision:
        verdicts = _without_unknown(verdicts)
    messages = [verdict for verdict in verdicts if isinstance(verdict, Outgoing)]
    if messages and not all(producer.deliver(messages, timeout_s=PATIENCE_S)):
        raise NotTakenError
    refused = enumerate(verdicts)
    errors = (ItemError(place, v.code, v.field) for place, v in refused if not isinstance(v, Outgoing))
    return Taken(len(messages), tuple(errors))


@dataclass(frozen=True, slots=True)
class _Refused:
    code: str
    field: str = ""


def _judge(item: Any, terms: Terms, topic: str, received_at: datetime) -> Outgoing | _Refused:
    try:
        payload = json.dumps(item, separators=(",", ":")).encode()
    except RecursionError:
        return _Refused(Code.MALFORMED_JSON)
    if len(payload) > MAX_BYTES:
        return _Refused(Code.TOO_LARGE)
    verdict = judge_event(item, received_at=received_at, limits=terms.limits)
    if isinstance(verdict, Rejected):
        return _Refused(verdict.code, verdict.field)
    if terms.only not in (None, verdict.user_id):
        return _Refused(NOT_ALLOWED, "user_id")
    return Outgoing(topic, verdict.user_id, payload)


def _without_unknown(verdicts: Iterable[Outgoing | _Refused]) -> list[Outgoing | _Refused]:
    listed = list(verdicts)
    senders = {verdict.key for verdict in listed if isinstance(verdict, Outgoing)}
    known = set(User.objects.filter(username__in=senders).values_list("username", flat=True))
    return [
        _Refused(Code.UNKNOWN_USER, "user_id") if isinstance(v, Outgoing) and v.key not in known else v for v in listed
    ]
