"""Where refused messages are kept: one row a coordinate, with the reason and up to 2 KiB of the bytes.

Of people who were erased the coordinate and the reason alone are kept: neither bytes nor key.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from devices.erasures import erased_among
from ingestion.decode.verdicts import Code, Rejected
from ingestion.models import QuarantinedMessage
from ingestion.stream.batch import Batch

KEPT_BYTES: Final = 2048
KEPT_KEY_BYTES: Final = 256

# What stands at "user_id" in bytes that may be no JSON: a name, which some writers spell in part as \u002B.
_NAME: Final = rb"(?:[A-Za-z0-9._\-@+:]|\\u00[2-7][0-9A-Fa-f]){1,64}"
_SAID: Final = re.compile(rb'"user_id"\s*:\s*(?:"(%b)(?:"|\Z)|(%b)(?=[\s,}]|\Z))' % (_NAME, _NAME))
_SPELLED: Final = re.compile(rb"\\u00(..)")


def with_erased(batch: Batch, rejected: Mapping[int, Rejected], *, names: Mapping[int, str]) -> Mapping[int, Rejected]:
    """The verdicts on the refused, but for those about somebody who was forgotten, whatever else is wrong with them.

    Whom one is about says its key, what can be read of its bytes, and `names` where that is known. One query where
    anything was refused, else none.
    """
    about = {index: {*_names(batch, index), *filter(None, [names.get(index)])} for index in rejected}
    erased = erased_among(set().union(*about.values()))
    if not erased:
        return rejected
    of_erased = Rejected(Code.ERASED_USER, "user_id")
    return {index: of_erased if about[index] & erased else verdict for index, verdict in rejected.items()}


def _names(batch: Batch, index: int) -> Iterator[str]:
    """Whom a message names: by its key, and wherever its bytes say "user_id"."""
    yield batch.origins[index].key.decode("ascii", "replace")
    for quoted, plain in _SAID.findall(batch.payloads[index]):
        yield _SPELLED.sub(lambda code: bytes([int(code[1], 16)]), quoted or plain).decode("ascii")


def quarantine(batch: Batch, rejected: Mapping[int, Rejected], *, cluster_id: str) -> list[QuarantinedMessage]:
    """Keep the refused messages of a batch, by index; a coordinate that is there already is left as it is."""
    rows = [_row(batch, index, verdict, cluster_id) for index, verdict in sorted(rejected.items())]
    return QuarantinedMessage.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)


def _row(batch: Batch, index: int, verdict: Rejected, cluster_id: str) -> QuarantinedMessage:
    payload, origin = batch.payloads[index], batch.origins[index]
    kept, key = (b"", b"") if verdict.code is Code.ERASED_USER else (payload[:KEPT_BYTES], origin.key[:KEPT_KEY_BYTES])
    return QuarantinedMessage(
        cluster_id=cluster_id,
        topic=origin.position.topic,
        partition=origin.position.partition,
        offset=origin.offset,
        reason=verdict.code.value,
        field=verdict.field,
        key=key,
        payload=kept,
        size=len(payload),
        received_at=batch.received_at[index],
    )
