"""Which hours of which people new readings fell into: what the summaries have to be made of again."""

from datetime import datetime

import polars as pl
from django.db import connection

_MARK = """
INSERT INTO alerts_duehour (start, user_id, minute)
SELECT to_timestamp(hour), user_id, %s FROM unnest(%s::bigint[], %s::bigint[]) AS due (user_id, hour)
ON CONFLICT DO NOTHING
"""


def minute_of(at: datetime) -> int:
    """Whole minutes since 1970."""
    return int(at.timestamp()) // 60


def hours_mark(rows: pl.DataFrame, *, at: datetime) -> None:
    """Mark the hours of `rows` (`user_id`, `recorded_at`), in the transaction that stores them; `at` is its clock."""
    if rows.is_empty():
        return
    hour = (pl.col("recorded_at").dt.epoch("s") // 3600 * 3600).alias("hour")
    due = rows.select("user_id", hour).unique().sort("hour", "user_id")
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [minute_of(at), due["user_id"].to_list(), due["hour"].to_list()])
