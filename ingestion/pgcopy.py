"""Rows in PostgreSQL's binary form, which costs COPY two thirds of what text does.

The form (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"): of each row the number of its fields,
of each field its length in bytes (-1: NULL) and its bytes, all big-endian. Here every row is first written with all its
fields at their full width, side by side in one array; what a row does not have is then left out of all rows at once.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_WHOLE: Final = {"bigint": ">i8", "integer": ">i4"}
_DIGITS_OF_UUID: Final = [place for place in range(36) if place not in {8, 13, 18, 23}]
_VALUE_OF_DIGIT: Final = np.zeros(256, np.uint8)
for _digit in "0123456789abcdefABCDEF":
    _VALUE_OF_DIGIT[ord(_digit)] = int(_digit, 16)


@dataclass(frozen=True, slots=True, eq=False)
class BinaryRows:
    """What COPY takes: of which columns, and where in `data` each row begins."""

    columns: tuple[str, ...]
    data: bytes
    begins: npt.NDArray[np.int64]

    def with_integers(self, values: npt.NDArray[np.int64], *, at: int) -> "BinaryRows":
        """The rows with these values, one a row, in an integer field whose four bytes lie `at` bytes into each row."""
        data = np.frombuffer(self.data, np.uint8).copy()
        data[(self.begins + at)[:, None] + np.arange(4)] = values.astype(">i4").view(np.uint8).reshape(-1, 4)
        return BinaryRows(self.columns, data.tobytes(), self.begins)


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of n values, all of one width; of the text of a row only the first `length` bytes count, -1 is NULL."""

    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64]

    @property
    def width(self) -> int:
        return self.values.dtype.itemsize


def binary_rows(rows: pl.DataFrame, types: Mapping[str, str]) -> BinaryRows:
    """`rows` as COPY .. (FORMAT binary) reads them; `types` are the PostgreSQL types of the columns.

    Known types: bigint, integer, double precision, timestamptz, uuid (as 36 characters) and text (of few values).
    """
    fields = _fields(rows, types)
    layout, starts, size = [("fields", ">i2")], {}, 2
    for name, field in fields.items():
        layout += [(f"length of {name}", ">i4"), (name, field.values.dtype.str)]
        starts[name] = size + 4
        size += 4 + field.width
    laid_out = np.empty(rows.height, layout)
    laid_out["fields"] = len(fields)
    for name, field in fields.items():
        laid_out[f"length of {name}"] = field.lengths
        laid_out[name] = field.values
    ragged = {name: field for name, field in fields.items() if (field.lengths < field.width).any()}
    full = laid_out.view(np.uint8).reshape(rows.height, size)
    ends = np.full(rows.height, size)
    if ragged:
        ends -= sum(field.width - np.maximum(field.lengths, 0) for field in ragged.values())
        holds = np.ones(full.shape, np.bool_)
        for name, field in ragged.items():
            at = starts[name]
            holds[:, at : at + field.width] = np.arange(field.width) < field.lengths[:, None]
        full = full[holds]
    ends = len(HEADER) + ends.cumsum()
    data = b"".join([HEADER, full.data, TRAILER])
    return BinaryRows(tuple(fields), data, np.concatenate([[len(HEADER)], ends])[: rows.height])


def _fields(rows: pl.DataFrame, types: Mapping[str, str]) -> dict[str, _Field]:
    """Every column; those of measured values, which are many, together."""
    doubles = [name for name in rows.columns if types[name] == "double precision"]
    measured = rows.select(doubles)
    values = measured.fill_null(0).to_numpy(order="fortran").astype(">f8")
    lengths = np.where(measured.select(pl.all().is_null()).to_numpy(order="fortran"), -1, 8)
    found = {name: _Field(values[:, at], lengths[:, at]) for at, name in enumerate(doubles)}
    return {name: found.get(name) or _field(rows[name], types[name]) for name in rows.columns}


def _field(column: pl.Series, kind: str) -> _Field:
    if kind == "text":
        return _texts(column)
    if kind == "uuid":
        values = _uuids(column)
    elif kind == "timestamptz":
        values = (column - _EPOCH).dt.total_microseconds().fill_null(0).to_numpy().astype(">i8")
    else:
        values = column.fill_null(0).to_numpy().astype(_WHOLE[kind])
    return _Field(values, np.where(column.is_null().to_numpy(), -1, values.dtype.itemsize))


def _uuids(column: pl.Series) -> npt.NDArray[Any]:
    text = column.fill_null("0" * 36).str.join("").item().encode()
    digits = _VALUE_OF_DIGIT[np.frombuffer(text, np.uint8).reshape(len(column), 36)[:, _DIGITS_OF_UUID]]
    return np.ascontiguousarray(digits[:, ::2] << 4 | digits[:, 1::2]).view("V16")[:, 0]


def _texts(column: pl.Series) -> _Field:
    known = column.drop_nulls().unique()
    encoded = [text.encode() for text in known] or [b""]
    place = column.cast(pl.Enum(known)).to_physical().fill_null(0).to_numpy()
    lengths = np.array([len(text) for text in encoded])
    return _Field(np.array(encoded)[place], np.where(column.is_null().to_numpy(), -1, lengths[place]))
