"""Times read over whole columns: what is read is what the exact way reads, and nothing is read that it refuses."""

from datetime import datetime
from random import Random

import polars as pl
import pytest

from ingestion.decode.exact import parse_time
from ingestion.decode.plain_times import times

PLAIN = [
    "2025-12-06T14:30:00Z",
    "2025-12-06T14:30:00.1Z",
    "2025-12-06T14:30:00.000Z",
    "2025-12-06T14:30:00.123456789Z",
    "2024-02-29T23:59:59.9-23:59",
    "2000-01-01T00:00:00.1234567+00:00",
    "2025-12-06T15:30:00+01:00",
]
NONE = [
    "", "Z", "2025-12-06", "2025-12-06T14:30Z", "2025-12-06T14:30:00", "2025-12-06T14:30:00.Z", "2025-02-29T00:00:00Z",
    "2025-12-06T14:30:60Z", "2025-12-06T24:00:00Z", "2025-13-06T14:30:00Z", "2025-00-06T14:30:00Z",
    "2025-12-06T14:30:00+24:00", "2025-12-06T14:30:00+01:60", "2025-12-06T14:30:00+0100", "2025-12-06T14:30:00 01:00",
]  # fmt: skip


def test_plain_times_are_read_to_the_microsecond_in_one_column() -> None:
    found = times(pl.Series(PLAIN + NONE))
    assert found.at.to_list() == [parse_time(text) for text in PLAIN] + [None] * len(NONE)
    assert found.colons[: len(PLAIN)].tolist() == [text.count(":") for text in PLAIN]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_ones_are_read_as_the_exact_way_reads_them_or_not_at_all(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # no secret
    texts = []
    for _ in range(5_000):
        text = list(random.choice(PLAIN))
        for _ in range(random.randrange(3)):
            text[random.randrange(len(text))] = random.choice("0123456789-+:.TZtz é")
        texts.append("".join(text[: random.choice([None, None, None, random.randrange(len(text))])]))
    found = times(pl.Series(texts))
    exact = [parse_time(text) for text in texts]
    read = [place for place, at in enumerate(found.at) if at is not None]
    assert [found.at[place] for place in read] == [exact[place] for place in read]
    assert found.colons[read].tolist() == [texts[place].count(":") for place in read]
    missed = [text for text, at, right in zip(texts, found.at, exact, strict=True) if at is None and _is_near(right)]
    assert all(text[10] in "t " or text[-1] == "z" for text in missed)


def _is_near(time: object) -> bool:
    return isinstance(time, datetime) and 2000 < time.year < 2199
