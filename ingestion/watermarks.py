"""How far each person's time has come, and which readings come late."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import polars as pl
from django.db import connection

from devices.metrics import Flag

LATE_AFTER: Final = timedelta(minutes=10)
SCHEMA: Final = pl.Schema({"user_id": pl.Int64(), "watermark": pl.Datetime("us", "UTC")})


class Watermarks:
    """The greatest `recorded_at` stored of each person; read from the database where it is not known yet.

    `judge` leaves what it knows untouched; `keep` takes its result over, after the commit.
    """

    def __init__(self) -> None:
        self._known: dict[int, datetime | None] = {}

    def judge(self, readings: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, datetime]]:
        """`readings` (in order of arrival) with Flag.LATE set, row by row, and the watermarks after them."""
        people = readings["user_id"].unique().to_list()
        missing = [user_id for user_id in people if user_id not in self._known]
        if missing:
            self._known |= _stored(missing)
        before = pl.DataFrame(
            {"user_id": people, "watermark": [self._known[user_id] for user_id in people]}, schema=SCHEMA
        )
        with_before = readings.join(before, on="user_id", how="left", maintain_order="left")
        after = with_before.group_by("user_id").agg(pl.max_horizontal(pl.max("recorded_at"), pl.max("watermark")))
        return _flagged(with_before).drop("watermark"), dict(after.iter_rows())

    def before(self, people: Iterable[int]) -> dict[int, datetime | None]:
        """What was known of people that `judge` has seen, until `keep`."""
        return {user_id: self._known[user_id] for user_id in people}

    def known(self, user_id: int) -> datetime:
        """That of a person of whom readings were kept."""
        watermark = self._known[user_id]
        if watermark is None:
            raise KeyError(user_id)
        return watermark

    def forget(self, people: Iterable[int]) -> None:
        for user_id in people:
            self._known.pop(user_id, None)

    def keep(self, after: dict[int, datetime]) -> None:
        self._known |= after

    def drop(self) -> None:
        self._known.clear()


def _flagged(readings: pl.DataFrame) -> pl.DataFrame:
    """Flag.LATE set where a row is late; readings that lie close together behind all watermarks have none."""
    if readings.is_empty() or _are_close(readings):
        return readings
    so_far = pl.max_horizontal("watermark", pl.col("recorded_at").cum_max().shift(1).over("user_id"))
    late = (pl.col("recorded_at") < so_far - LATE_AFTER).fill_null(value=False)
    return readings.with_columns(pl.col("flags") | pl.when(late).then(int(Flag.LATE)).otherwise(0))


def _are_close(readings: pl.DataFrame) -> bool:
    oldest = pl.col("recorded_at").min()
    latest = pl.max_horizontal(pl.col("recorded_at").max(), pl.col("watermark").max())
    return bool(readings.select(oldest >= latest - LATE_AFTER).item())


def _stored(people: Iterable[int]) -> dict[int, datetime | None]:
    """One index lookup a person and partition, backwards."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT u, (SELECT max(recorded_at) FROM devices_reading r WHERE r.user_id = u)"
            " FROM unnest(%s::bigint[]) AS u",
            [list(people)],
        )
        return dict(cursor.fetchall())
