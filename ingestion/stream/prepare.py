"""What can be done to a batch before the database is asked: it is done while the batch before is being written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from devices.models.reading import COLUMNS
from devices.quality import assess
from ingestion.decode.columns import Decoded, decode
from ingestion.decode.verdicts import Limits
from ingestion.stream.batch import Batch
from ingestion.write.pgcopy import BinaryRows
from ingestion.write.store import direct_rows

KIND_END: Final = "\n"  # which no name of a device holds


@dataclass(frozen=True, slots=True)
class Prepared:
    """`rows`: the accepted events, assessed, in order of arrival; `names`: who sent them. Where everybody in them was
    known, `user_id` is that of `people`, and `written` are the rows as `store` copies them; else both are empty.
    `spoke`: who it was and by which devices (`who`: the name and the kinds, joined by KIND_END), and the newest reading
    of each such set (`seen_at`).
    """

    decoded: Decoded
    rows: pl.DataFrame
    names: list[str]
    people: dict[str, int]
    written: BinaryRows | None
    spoke: pl.DataFrame


def prepare(batch: Batch, *, limits: Limits, known: Mapping[str, int]) -> Prepared:
    """Decode, assess and write down a batch; `known` are ids of people, perhaps out of date."""
    return prepare_decoded(batch, decode(batch, limits=limits), known=known)


def prepare_decoded(batch: Batch, decoded: Decoded, *, known: Mapping[str, int]) -> Prepared:
    """Assess and write down what is decoded already."""
    events = decoded.events
    rows = assess(events.with_columns(batch.received_at.gather(events["message"]).alias("received_at")))
    names = events["username"].unique().to_list()
    people = {name: user_id for name in names if (user_id := known.get(name)) is not None}
    if len(people) < len(names) or not names:
        return Prepared(decoded, rows, names, {}, None, _spoke(rows))
    rows = with_ids(rows, people)
    return Prepared(decoded, rows, names, people, direct_rows(rows.select(COLUMNS)), _spoke(rows))


def _spoke(rows: pl.DataFrame) -> pl.DataFrame:
    kinds = pl.col("device_sources").list.join(KIND_END)
    return (
        rows.select(pl.concat_str("username", kinds, separator=KIND_END).alias("who"), "recorded_at")
        .group_by("who")
        .agg(pl.max("recorded_at").alias("seen_at"))
        .drop_nulls()
    )


def with_ids(rows: pl.DataFrame, people: Mapping[str, int]) -> pl.DataFrame:
    """The rows with the `user_id` of each `username`, null where nobody has that name."""
    ids = pl.DataFrame(
        {"username": list(people), "user_id": list(people.values())},
        schema={"username": pl.String, "user_id": pl.Int64},
    )
    return rows.drop("user_id", strict=False).join(ids, on="username", how="left", maintain_order="left")
