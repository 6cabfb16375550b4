"""What PostgreSQL reads from our binary rows, against what was in the frame."""

import io
from datetime import UTC, datetime
from uuid import UUID

import polars as pl
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.write.pgcopy import binary_rows

TYPES = {
    "number": "bigint", "small": "integer", "real": "double precision", "other": "double precision",
    "at": "timestamptz", "later_at": "timestamptz", "id": "uuid", "word": "text", "name": "text", "is_so": "boolean",
}  # fmt: skip
TIME = pl.Datetime("us", "UTC")
SCHEMA = {
    "number": pl.Int64(), "small": pl.Int64(), "real": pl.Float64(), "other": pl.Float64(), "at": TIME,
    "later_at": TIME, "id": pl.String(), "word": pl.String(), "name": pl.String(), "is_so": pl.Boolean(),
}  # fmt: skip
LAST = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
FULL = {
    "number": -(2**63), "small": 2**31 - 1, "real": -0.1, "other": 1e308, "at": LAST, "later_at": LAST,
    "id": "0123ABCD-4567-89ab-cdef-fedcba987654", "word": "größer", "name": "", "is_so": True,
}  # fmt: skip
NOTHING = dict.fromkeys(FULL)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ROWS = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "small": st.none() | st.integers(-(2**31), 2**31 - 1),
        **dict.fromkeys(("real", "other"), st.none() | st.floats(allow_nan=False)),
        **dict.fromkeys(("at", "later_at"), st.none() | MOMENTS),
        "id": st.none() | st.uuids().map(str),
        **dict.fromkeys(("word", "name"), st.none() | st.sampled_from(["", "rem", "seated", "ü", "a\nb", "\\."])),
        "is_so": st.none() | st.booleans(),
    }
)


def as_postgres_reads(rows):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE copied (seq integer, " + ", ".join(f"{n} {t}" for n, t in TYPES.items()) + ")"
        )
        frame = pl.DataFrame(rows, schema=SCHEMA).with_row_index("seq")
        copied = binary_rows(frame.with_columns(pl.col("seq").cast(pl.Int64)), {"seq": "integer"} | TYPES)
        cursor.copy_expert("COPY copied FROM STDIN (FORMAT binary)", io.BytesIO(copied.data))
        cursor.execute("SELECT * FROM copied ORDER BY seq")
        found = [dict(zip(TYPES, row[1:], strict=True)) for row in cursor.fetchall()]
        cursor.execute("DROP TABLE copied")
    return found


def as_postgres_says(row):
    return row | {"id": row["id"] and UUID(row["id"])}


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [[], [FULL], [NOTHING], [FULL, NOTHING, FULL], [FULL] * 3], ids=len)
def test_postgres_reads_what_was_written(rows):
    assert as_postgres_reads(rows) == [as_postgres_says(row) for row in rows]


@pytest.mark.django_db
@settings(max_examples=50)
@given(st.lists(ROWS, max_size=8))
def test_any_rows_come_out_as_they_went_in(rows):
    assert as_postgres_reads(rows) == [as_postgres_says(row) for row in rows]
