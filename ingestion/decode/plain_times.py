"""Times of RFC 3339, read character by character over whole columns."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.uint8]  # the characters of all texts at one place, side by side; by place

MICROS: Final = 1_000_000
_END: Final = len("2025-12-06T14:30:00")
_MOST_DIGITS: Final = 9
_ZONE: Final = len("+01:00")
_SEPARATORS: Final = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":"}
_DIGITS: Final = [place for place in range(_END) if place not in _SEPARATORS]
_FIRST_YEAR, _YEARS = 2000, 200
_MONTHS: Final = np.arange(f"{_FIRST_YEAR}", _YEARS * 12 + 1, dtype="datetime64[M]")
_FIRST_DAYS: Final = _MONTHS.astype("datetime64[D]").astype(np.int64)  # of each month, since 1970
_UTC: Final = pl.Datetime("us", "UTC")


class Times(NamedTuple):
    """Of each text the time (Datetime us UTC, digits beyond microseconds cut), null where it is not plainly one, and
    how many colons a plain one has."""

    at: pl.Series
    colons: Ints


def times(texts: pl.Series) -> Times:
    """Read times like 2025-12-06T14:30:00.000Z or 2025-12-06T15:30:00+01:00 of the years 2000 to 2199, with up to nine
    digits of a fraction."""
    at, known = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    colons = np.full(len(texts), 2, np.int64)
    widths = texts.str.len_bytes().fill_null(0).to_numpy()
    for width in np.unique(widths).tolist():
        if width <= _END:
            continue
        rows = np.flatnonzero(widths == width)
        places = _places(texts if len(rows) == len(texts) else texts.gather(rows), width)
        is_utc = places[-1] == ord("Z")
        for zone, theirs in ((1, is_utc), (_ZONE, ~is_utc)):
            end = width - zone
            if not theirs.any() or end < _END or end > _END + 1 + _MOST_DIGITS or end == _END + 1:
                continue
            found, good = _read(places, end)
            if zone == _ZONE:
                shift, is_zone = _shift(places[-_ZONE:])
                found, good = found - shift, good & is_zone
            good &= theirs
            at[rows] = np.where(good, found, at[rows])
            known[rows] |= good
            if zone == _ZONE:
                colons[rows] += good
    read = pl.Series("recorded_at", at).cast(_UTC)
    return Times(read if known.all() else read.set(pl.Series(~known), None), colons)


def _places(texts: pl.Series, width: int) -> Places:
    rows = np.frombuffer(texts.str.join("").item().encode(), np.uint8).reshape(-1, width)
    return np.ascontiguousarray(rows.T)


def _read(places: Places, end: int) -> tuple[Ints, Bools]:
    """Microseconds since 1970 of what stands before `end`, as if in UTC, and whether that is a time."""
    digits = places[:end] - np.uint8(ord("0"))
    good: Any = (digits[_DIGITS] <= 9).all(axis=0)
    for place, separator in _SEPARATORS.items():
        good &= places[place] == ord(separator)
    day, is_day = _day(_number(digits[0:4]), _number(digits[5:7]), _number(digits[8:10]))
    hour, minute, second = _number(digits[11:13]), _number(digits[14:16]), _number(digits[17:19])
    good &= is_day & (hour < 24) & (minute < 60) & (second < 60)
    micros = (((day * 24 + hour) * 60 + minute) * 60 + second) * MICROS
    if end > _END:
        good &= (places[_END] == ord(".")) & (digits[_END + 1 :] <= 9).all(axis=0)
        kept = digits[_END + 1 : _END + 7]
        micros += _number(kept) * 10 ** (6 - len(kept))
    return micros, good


def _day(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Bools]:
    """Days since 1970, and whether there is such a day."""
    number = (year - _FIRST_YEAR) * 12 + month - 1
    is_month = (number >= 0) & (number < _YEARS * 12) & (month >= 1) & (month <= 12)
    number = np.where(is_month, number, 0)
    first = _FIRST_DAYS[number]
    return first + day - 1, is_month & (day >= 1) & (day <= _FIRST_DAYS[number + 1] - first)


def _shift(zone: Places) -> tuple[Ints, Any]:
    """An offset in microseconds, and whether it is one."""
    digits = zone - np.uint8(ord("0"))
    hours, minutes = _number(digits[1:3]), _number(digits[4:6])
    is_west = zone[0] == ord("-")
    good = (is_west | (zone[0] == ord("+"))) & (zone[3] == ord(":")) & (digits[[1, 2, 4, 5]] <= 9).all(axis=0)
    shift = (hours * 60 + minutes) * 60 * MICROS
    return np.where(is_west, -shift, shift), good & (hours < 24) & (minutes < 60)


def _number(digits: Places) -> Ints:
    value: Ints = digits[0].astype(np.int64)
    for each in digits[1:]:
        value *= 10
        value += each
    return value
