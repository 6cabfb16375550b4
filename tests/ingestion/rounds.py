"""A round of fuzzing: some messages made from one seed, judged one by one by `decode.exact`, and decoded by columns in
batches of several kinds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

import polars as pl

from ingestion.decode.columns import Decoded, decode, decode_columns, frame_of
from ingestion.decode.exact import judge
from ingestion.decode.verdicts import Accepted, Code, Limits, Rejected
from ingestion.stream.batch import Batch
from tests.ingestion.mutations import mutant, seeds

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
LIMITS: Final = Limits(oldest=datetime(2016, 4, 22, tzinfo=UTC))  # in the midst of what one person recorded
MIXED: Final = 250  # a batch of everything: few, for one unreadable message drives its neighbours to the exact way
STRANGERS: Final = 10  # damaged ones in a batch of events that are plainly good
TOGETHER: Final = 12  # batches of a few good ones, whose faults might make up for each other
ACCEPTED: Final = "accepted"
Verdict = Accepted | Rejected


@dataclass(frozen=True, slots=True)
class Round:
    """What a round found: messages by outcome, and those on which the two ways differ, with what was said of them."""

    seed: int
    outcomes: Counter[str]
    differing: tuple[tuple[bytes, str], ...] = field(default=())


def messages(seed: int, count: int) -> list[bytes]:
    """The messages of a round."""
    random = Random(seed)  # noqa: S311  # no secret
    return [mutant(random) for _ in range(count)]


def play(seed: int, count: int) -> Round:
    """Judge the messages of one seed in every way."""
    payloads = messages(seed, count)
    verdicts = {payload: judge(payload, received_at=NOW, limits=LIMITS) for payload in payloads}
    random = Random(seed + 1)  # noqa: S311  # no secret
    differing = [found for batch in _batches(payloads, verdicts, random) for found in differences(batch, verdicts)]
    return Round(seed, Counter(outcome(verdicts[payload]) for payload in payloads), tuple(differing))


def outcome(verdict: Verdict) -> str:
    return verdict.code.value if isinstance(verdict, Rejected) else ACCEPTED


def _batches(payloads: Sequence[bytes], verdicts: dict[bytes, Verdict], random: Random) -> Iterator[list[bytes]]:
    """All that is JSON; some of it; everything, in small batches; a few bad ones among what people send; good ones."""
    unreadable = Rejected(Code.MALFORMED_JSON)
    readable = [payload for payload in payloads if verdicts[payload] != unreadable]
    yield readable
    yield random.sample(readable, min(100, len(readable)))
    yield from (random.sample(payloads, min(MIXED, len(payloads))) for _ in range(2))
    plain = [*random.sample(seeds(), 150), *random.sample(payloads, min(STRANGERS, len(payloads)))]
    random.shuffle(plain)
    yield plain
    good = [payload for payload in readable if isinstance(verdicts[payload], Accepted) and _is_plain(payload)]
    for _ in range(TOGETHER if good else 0):
        yield random.sample(good, min(random.choice((2, 2, 3, 20)), len(good)))


def _is_plain(payload: bytes) -> bool:
    """Whether it may be judged with others: the columns then look at what all of them add up to."""
    return not any(text in payload for text in (b"\\", b"true", b"false", b"null_is_me", b'+02:00"', b'z"'))


def differences(payloads: Sequence[bytes], verdicts: dict[bytes, Verdict]) -> list[tuple[bytes, str]]:
    """The messages that, decoded in this batch, become something else than alone. `verdicts` gains what it lacks."""
    for payload in payloads:
        if payload not in verdicts:
            verdicts[payload] = judge(payload, received_at=NOW, limits=LIMITS)
    expected = {place: verdicts[payload] for place, payload in enumerate(payloads)}
    accepted = {place: verdict for place, verdict in expected.items() if isinstance(verdict, Accepted)}
    rejected = {place: verdict for place, verdict in expected.items() if isinstance(verdict, Rejected)}
    batch, alone = _batch(payloads), _comparable(frame_of(accepted))
    found = []
    for way in (decode_columns, decode):
        decoded: Decoded = way(batch, limits=LIMITS)
        events = _comparable(decoded.events)
        if decoded.rejected != rejected or not events.equals(alone):
            found += [(payloads[place], said) for place, said in _differing(decoded, events, expected, alone)]
        unknown = {place: verdict.unknown_fields for place, verdict in accepted.items() if verdict.unknown_fields}
        if decoded.unknown_fields != sum(unknown.values()):
            said = f"{decoded.unknown_fields} unknown fields in a batch where alone they are {sum(unknown.values())}"
            found += [(payloads[place], said) for place in unknown]
        if way is decode_columns and len(payloads) >= MIXED:
            break  # `decode` is the same for as many
    return found


def _differing(
    decoded: Decoded, events: pl.DataFrame, expected: dict[int, Verdict], alone: pl.DataFrame
) -> Iterator[tuple[int, str]]:
    rows, others = ({row["message"]: row for row in frame.iter_rows(named=True)} for frame in (events, alone))
    for place, verdict in expected.items():
        if decoded.rejected.get(place) != (verdict if isinstance(verdict, Rejected) else None) or rows.get(
            place
        ) != others.get(place):
            yield place, f"alone: {verdict}; in its batch: {decoded.rejected.get(place) or rows.get(place)}"


def _batch(payloads: Sequence[bytes]) -> Batch:
    received = pl.Series("received_at", [NOW] * len(payloads), dtype=pl.Datetime("us", "UTC"))
    return Batch(list(payloads), [], received, {})


def _comparable(events: pl.DataFrame) -> pl.DataFrame:
    """No sources and an empty list of them are the same."""
    return events.with_columns(
        pl.when(pl.col("device_sources").list.len() > 0).then(pl.col("device_sources")).alias("device_sources")
    )
