"""How rows are written: CSV with a header, or JSON lines."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, tzinfo
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from dashboard.export.columns import Table
from dashboard.export.snapshot import Row, Snapshot
from devices.models import User
from devices.times import rfc3339

Format = Literal["csv", "jsonl"]
TYPES: Final[dict[Format, str]] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def written(table: Table, person: User, snapshot: Snapshot, *, as_: Format, zone: tzinfo = UTC) -> Iterator[bytes]:
    """The file in pieces: a page of rows each, the header with the first; at least one piece. Times have the offset of
    `zone`."""
    names = [column.name for column in table.columns]
    yield _csv([names]) if as_ == "csv" else b""
    for page in snapshot.pages(table.rows(person)):
        yield _csv(_cells(row, zone) for row in page) if as_ == "csv" else _lines(names, page, zone)


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _cells(row: Row, zone: tzinfo) -> list[Any]:
    return [cell_of(value, zone) for value in row]


def cell_of(value: Any, zone: tzinfo = UTC) -> Any:
    """A cell; text that a spreadsheet would take for a formula is quoted with an apostrophe."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode() if value else ""
    return _plain(value, zone)


def _lines(names: list[str], page: list[Row], zone: tzinfo) -> bytes:
    rows = (dict(zip(names, (_plain(value, zone) for value in row), strict=True)) for row in page)
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _plain(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value, zone)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return str(value) if isinstance(value, UUID) else value
