"""Rows in PostgreSQL's binary form, which costs COPY two thirds of what text does.

The form (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"): of each row the number of its fields,
of each field its length in bytes (-1: NULL) and its bytes, all big-endian. Here every row is first written with all its
fields at their full width, side by side in one array; what a row does not have is then left out of all rows at once.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)
_EPOCH_US: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_LENGTH: Final = 4  # bytes, before each value
_BIG_ENDIAN: Final = {
    "bigint": ">i8", "integer": ">i4", "double precision": ">f8", "timestamptz": ">i8", "boolean": "u1"
}  # fmt: skip
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
class _Block:
    """Neighbouring columns of one type: their values (n x k, big-endian), and the length of each (-1: NULL, of a text
    perhaps less than its width)."""

    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int32]

    @property
    def layout(self) -> np.dtype[Any]:
        """Of a row: a length and a value for each column."""
        return np.dtype(([("length", ">i4"), ("value", self.values.dtype.str)], self.values.shape[1:]))

    @property
    def is_ragged(self) -> bool:
        return bool((self.lengths < self.values.dtype.itemsize).any())

    @property
    def missing(self) -> npt.NDArray[np.int64]:
        """How many bytes of each row's full width are not there."""
        width = self.values.dtype.itemsize
        if self.values.dtype.kind == "S":
            shorter: npt.NDArray[np.int64] = (width - np.maximum(self.lengths, 0)).sum(axis=1, dtype=np.int64)
            return shorter
        absent: npt.NDArray[np.int64] = np.count_nonzero(self.lengths < 0, axis=1)
        return absent * width

    @property
    def holds(self) -> npt.NDArray[np.bool_]:
        """Which bytes of each value count."""
        if self.values.dtype.kind == "S":
            return np.arange(self.values.dtype.itemsize, dtype=np.int32) < self.lengths[:, :, None]
        return (self.lengths > 0)[:, :, None]


def binary_rows(rows: pl.DataFrame, types: Mapping[str, str]) -> BinaryRows:
    """`rows` as COPY .. (FORMAT binary) reads them; `types` are the PostgreSQL types of the columns.

    Known types: bigint, integer, double precision, boolean, timestamptz, uuid (as 36 characters) and text (of few
    values). Columns of one type that stand side by side cost little more than one.
    """
    runs = [list(run) for _, run in groupby(rows.columns, key=types.__getitem__)]
    blocks = [_block([rows[name] for name in run], types[run[0]]) for run in runs]
    layout = [("fields", np.dtype(">i2")), *((str(number), block.layout) for number, block in enumerate(blocks))]
    laid_out = np.empty(rows.height, layout)
    laid_out["fields"] = rows.width
    for number, block in enumerate(blocks):
        laid_out[str(number)]["length"] = block.lengths
        laid_out[str(number)]["value"] = block.values
    size = laid_out.dtype.itemsize
    full = laid_out.view(np.uint8).reshape(rows.height, size)
    ends = np.full(rows.height, size)
    if any(block.is_ragged for block in blocks):
        holds = np.ones(full.shape, np.bool_)
        for number, block in enumerate(blocks):
            if block.is_ragged:
                ends -= block.missing
                dtype, at = laid_out.dtype.fields[str(number)][:2]  # type: ignore[index]
                cells = holds[:, at : at + dtype.itemsize].reshape(*block.values.shape, -1)
                cells[:, :, _LENGTH:] = block.holds
                holds[:, at : at + dtype.itemsize] = cells.reshape(rows.height, -1)
        full = full[holds]
    ends = len(HEADER) + ends.cumsum()
    data = b"".join([HEADER, full.data, TRAILER])
    return BinaryRows(tuple(rows.columns), data, np.concatenate([[len(HEADER)], ends])[: rows.height])


def _block(columns: Sequence[pl.Series], kind: str) -> _Block:
    """Column by column: whole frames and expressions of polars wait for those of other threads."""
    if kind == "text":
        return _side_by_side([_texts(column) for column in columns])
    values = np.column_stack([_values(column, kind) for column in columns])
    values = values.astype(_BIG_ENDIAN.get(kind, values.dtype), copy=False)
    nulls = sum(column.null_count() for column in columns)
    if values.dtype.kind == "f" and np.count_nonzero(absent := np.isnan(values)) == nulls:
        lengths = np.where(absent, np.int32(-1), np.int32(values.itemsize))
    else:  # somewhere there is a number that is none, or nothing can be one
        lengths = np.full(values.shape, values.itemsize, np.int32)
        if nulls:
            lengths[np.column_stack([column.is_null().to_numpy() for column in columns])] = -1
    return _Block(values, lengths)


def _values(column: pl.Series, kind: str) -> npt.NDArray[Any]:
    """What stands for a null does not matter."""
    if kind == "double precision":
        return column.to_numpy()
    if kind == "uuid":
        return _uuids(column)
    numbers = column.cast(pl.Int64) if kind == "timestamptz" else column
    values = (numbers.fill_null(0) if numbers.null_count() else numbers).to_numpy()
    return values - _EPOCH_US if kind == "timestamptz" else values


def _side_by_side(blocks: list[_Block]) -> _Block:
    return _Block(np.hstack([block.values for block in blocks]), np.hstack([block.lengths for block in blocks]))


def _uuids(column: pl.Series) -> npt.NDArray[Any]:
    text = (column.fill_null("0" * 36) if column.null_count() else column).str.join("").item().encode()
    digits = _VALUE_OF_DIGIT[np.frombuffer(text, np.uint8).reshape(len(column), 36)[:, _DIGITS_OF_UUID]]
    return np.ascontiguousarray(digits[:, ::2] << 4 | digits[:, 1::2]).view("V16")[:, 0]


def _texts(column: pl.Series) -> _Block:
    known = column.drop_nulls().unique()
    encoded = [text.encode() for text in known] or [b""]
    place = column.cast(pl.Enum(known)).to_physical().fill_null(0).to_numpy()
    lengths = np.array([len(text) for text in encoded], np.int32)[place]
    if column.null_count():
        lengths[column.is_null().to_numpy()] = -1
    return _Block(np.array(encoded)[place][:, None], lengths[:, None])
