"""Until when everything that was received is known: consumers note it in the ledger of their partitions
(`ingestion.stream.listening`), and whoever says that somebody is silent asks for it here."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

BEHIND: Final = timedelta(seconds=10)  # a partition that is known for less long ago is caught up

# A topic that was made anew has another id, and perhaps fewer partitions; where the id is not known it is empty.
_LISTENED: Final = """
SELECT max(l.listening_since), min(l.consumed_until), bool_and(l.consumed_until IS NOT NULL)
FROM ingestion_partitionledger l JOIN (
    SELECT cluster_id, topic_id FROM ingestion_partitionledger WHERE topic = %(topic)s
    ORDER BY consumed_until DESC NULLS LAST, updated_at DESC LIMIT 1) last USING (cluster_id)
WHERE l.topic = %(topic)s AND (l.topic_id = last.topic_id OR '' IN (l.topic_id, last.topic_id))
"""


def stretch_known(topic: str) -> tuple[datetime, datetime] | None:
    """Since when and until when everything is known that was received for `topic`, in every partition; None where that
    was never so. Of the offsets of several brokers, or of a topic made anew, those count that were consumed last."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTENED, {"topic": topic})
        since, until, is_known = cursor.fetchone()
    return (since, until) if is_known else None


def is_caught_up(until: datetime, *, at: datetime) -> bool:
    """Whether what is known until then is enough to judge who is silent."""
    return abs(at - until) <= BEHIND  # ahead of us is a clock that was set back
