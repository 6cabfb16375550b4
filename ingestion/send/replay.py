"""Recorded readings to events of the stream, in the order of their file.

A flat CSV becomes events of the contract's shape; a cell that is no number stays text, so that it is refused where all
events are judged, and not lost here. The lines of NDJSON are sent as they are.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from devices.metrics import METRICS, Group
from devices.readings_file import is_csv, read_cells, read_lines
from devices.times import rfc3339

GROUPS: Final[tuple[Group, ...]] = ("vitals", "activity", "sleep", "environment")
ROWS_A_SLICE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event to send: its key, its JSON, and when it was taken; None where that can't be told."""

    user_id: str
    event: str | bytes
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Recording:
    """The events of one file, and how many they are."""

    path: Path
    count: int
    cells: pl.DataFrame | None = None
    lines: tuple[bytes, ...] = ()

    def events(self, *, shift: timedelta = timedelta()) -> Iterator[Recorded]:
        """Every event in order, each taken `shift` later than the file says, but where there is no such time. Ids are
        those of the file's times."""
        if self.cells is not None:
            return _of_cells(self.cells, shift)
        return (_of_line(line, shift) for line in self.lines)

    def last(self) -> datetime | None:
        """The latest time in it."""
        times = (_time(text) for text in self.cells["timestamp"]) if self.cells is not None else _times(self.lines)
        return max((at for at in times if at is not None), default=None)


def recording(path: Path) -> Recording:
    """Read a file. Raises ReadingsFileError, naming the file and what is wrong."""
    if is_csv(path):
        cells = read_cells(path)
        return Recording(path, cells.height, cells=cells)
    lines = tuple(read_lines(path))
    return Recording(path, len(lines), lines=lines)


def shift_to(now: datetime, recordings: Iterable[Recording]) -> timedelta:
    """What to add to all times so that the latest of them is `now`; nothing where there is none."""
    last = max((at for at in (recording.last() for recording in recordings) if at is not None), default=None)
    return now - last if last is not None else timedelta()


def _of_cells(cells: pl.DataFrame, shift: timedelta) -> Iterator[Recorded]:
    for part in cells.iter_slices(ROWS_A_SLICE):
        written = part["timestamp"].to_list()
        times = [_later(at, shift) for at in map(_time, written)]
        if shift:
            moved = [text if at is None else rfc3339(at) for at, text in zip(times, written, strict=True)]
            shifted = part.with_columns(pl.Series("timestamp", moved, dtype=pl.String))
        for user_id, event, at in zip(part["user_id"], _encode(shifted if shift else part), times, strict=True):
            yield Recorded(user_id or "", event, at)


def _encode(cells: pl.DataFrame) -> list[str]:
    """The JSON of each row: by columns where every cell of it is what it should be, else one by one."""
    numbers = [name for name in cells.columns if name in METRICS and not METRICS[name].is_text]
    read = cells.with_columns(pl.col(name).cast(pl.Float64, strict=False) for name in numbers)
    unread = pl.any_horizontal(
        pl.lit(value=False),
        *(cells[name].is_not_null() & ~read[name].is_finite().fill_null(value=False) for name in numbers),
    )
    odd = cells.select(unread | pl.any_horizontal(pl.col("timestamp", "user_id", "event_id").is_null())).to_series()
    groups = [group for group in GROUPS if _fields(cells, group)]
    event = pl.struct("event_id", "timestamp", "user_id", *(_struct(cells, group) for group in groups))
    texts: list[str] = read.select(event.struct.json_encode().alias("event"))["event"].to_list()
    for row in odd.arg_true():
        texts[row] = _encode_one(cells.row(row, named=True), read.row(row, named=True))
    return texts


def _encode_one(cells: dict[str, str | None], read: dict[str, str | float | None]) -> str:
    """A number where it is one that JSON can say, else the text."""
    event = {name: cells[name] for name in ("event_id", "timestamp", "user_id") if cells[name] is not None}
    groups: dict[str, dict[str, str | float | None]] = {}
    for name, cell in cells.items():
        if name in METRICS and cell is not None:
            value = read[name]
            is_read = isinstance(value, str) or (value is not None and math.isfinite(value))
            groups.setdefault(METRICS[name].group, {})[METRICS[name].field] = value if is_read else cell
    return json.dumps(event | groups)


def _struct(cells: pl.DataFrame, group: Group) -> pl.Expr:
    return pl.struct(pl.col(name).alias(METRICS[name].field) for name in _fields(cells, group)).alias(group)


def _fields(cells: pl.DataFrame, group: Group) -> list[str]:
    return [name for name in cells.columns if name in METRICS and METRICS[name].group == group]


def _of_line(line: bytes, shift: timedelta) -> Recorded:
    """A line that is no event is sent all the same: it is refused, and so counted, where all are."""
    event = _event(line)
    user_id, text = event.get("user_id"), event.get("timestamp")
    at = _later(_time(text), shift) if isinstance(text, str) else None
    if at is not None and shift:
        line = json.dumps(event | {"timestamp": rfc3339(at)}).encode()
    return Recorded(user_id if isinstance(user_id, str) else "", line, at)


def _times(lines: Iterable[bytes]) -> Iterator[datetime | None]:
    for line in lines:
        text = _event(line).get("timestamp")
        yield _time(text) if isinstance(text, str) else None


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _time(text: str | None) -> datetime | None:
    """RFC 3339 with a zone, in UTC; None for anything else."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _later(at: datetime | None, shift: timedelta) -> datetime | None:
    """None where time has not begun by then, or has ended."""
    try:
        return None if at is None else at + shift
    except OverflowError:
        return None
