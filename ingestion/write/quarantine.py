"""Where refused messages are kept: one row a coordinate, with the reason and up to 2 KiB of the bytes.

Of people who were erased the coordinate and the reason alone are kept: neither bytes nor key.
"""

from collections.abc import Mapping
from typing import Final

from ingestion.decode.verdicts import Code, Rejected
from ingestion.models import QuarantinedMessage
from ingestion.stream.batch import Batch

KEPT_BYTES: Final = 2048
KEPT_KEY_BYTES: Final = 256


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
