"""What becomes of real and simulated events on a bad day: bytes flipped, tokens swapped, documents cut and joined.

Where `messages` writes events that somebody meant to write, here somebody's event is damaged. Everything follows from
the `Random` that is given.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Final

from devices.metrics import METRICS
from devices.simulator.events import encode
from devices.simulator.grid import Rate
from devices.simulator.people import people, wearer_ids
from devices.simulator.stream import Stretch, readings
from ingestion.send.replay import recording
from tests.ingestion.messages import NUMBERS, ODDITIES, TEXTS, TIMES, message
from tests.real_files import EXCERPTS

_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}\[\]:,]|\s+|.', re.S
)
_QUOTED: Final = tuple(b'"%s"' % text.encode("utf-8", "surrogatepass") for text in (*TEXTS, *TIMES))
_KEYS: Final = tuple(
    f'"{name}"'.encode() for name in ("event_id", "timestamp", "user_id", "device_sources", "vitals", "sleep")
) + tuple(f'"{metric.field}"'.encode() for metric in METRICS.values())
_VALUES: Final = tuple(text.encode() for text in (*NUMBERS, *ODDITIES))
_PUNCTUATION: Final = (b"{", b"}", b"[", b"]", b":", b",", b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x0c", b"\xc2\xa0")
_TOKENS: Final = (*_QUOTED, *_KEYS, *_KEYS, *_VALUES, *_VALUES, *_PUNCTUATION)
_PIECES: Final = (
    *_PUNCTUATION, b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"\\", b'"', b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"\\x41", b"//", b"/**/",
    b"NaN", b"-Infinity", b"1e999", b"null", b"true", b"\x85", b"\xcc\x81", b"'", b"-", b"+", b".", b"e",
    b"0", b"\x1b[31m",
)  # fmt: skip
_SOURCES: Final = (
    b'"apple_watch"', b'"ring"', b'""', b'"a:b"', b'"' + b"x" * 64 + b'"', b'"' + b"x" * 65 + b'"', b'"null"',
    b'"a:null"', b"7", b"-1.5", b"true", b"null", b"{}", b'"\\t"', b'"\xc2\x85"', b'"true"',
)  # fmt: skip
_BETWEEN: Final = (b"", b"\n", b",", b" ", b"\r\n", b"\x00", b"\x1e")
_MOST_DEEP: Final = 2_000  # so that it stays under the length that is judged by columns


@cache
def seeds() -> tuple[bytes, ...]:
    """Some 300 events: of every excerpt of what people recorded, and of simulated people."""
    found = []
    for path in sorted(EXCERPTS.glob("*.csv.gz")):
        events = [each.event for each in recording(path).events()]
        found += [each if isinstance(each, bytes) else each.encode() for each in events[:: max(1, len(events) // 50)]]
    who, noon = people(1, wearer_ids(20)), round(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
    simulated = encode(who, readings(Stretch(who, Rate.of(1.0), noon, noon + 5_000)))
    return (*found, *(event.encode() for event in simulated))


@cache
def _tokens(place: int) -> tuple[bytes, ...]:
    return tuple(_TOKEN.findall(seeds()[place]))


def mutant(random: Random) -> bytes:
    """One message: written badly, damaged in its tokens, or in its bytes; now and then not damaged at all."""
    draw = random.random()
    if draw < 0.3:
        return message(random)
    if draw < 0.35:
        return random.choice(seeds())
    if draw < 0.75:
        return tokens_damaged(random)
    payload = random.choice(seeds()) if draw < 0.92 else tokens_damaged(random)
    for _ in range(random.choice((1, 1, 1, 3))):
        payload = random.choice(_DEEDS)(payload, random)
    return payload


def tokens_damaged(random: Random) -> bytes:
    """An event some of whose tokens are others, gone, doubled or elsewhere: often JSON still."""
    tokens = list(_tokens(random.randrange(len(seeds()))))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        place, deed = random.randrange(len(tokens)), random.randrange(14)
        if deed <= 5:
            tokens[place] = _alike(tokens[place], random)
        elif deed == 6:
            tokens[place] = random.choice(_TOKENS)
        elif deed == 7:
            tokens.insert(place, random.choice(_TOKENS))
        elif deed == 8 and len(tokens) > 1:
            del tokens[place]
        elif deed == 9:
            other = random.randrange(len(tokens))
            tokens[place], tokens[other] = tokens[other], tokens[place]
        elif deed <= 11:
            places = [at for at, token in enumerate(tokens) if token in (b"{", b",")]
            place = 1 + random.choice(places or [place])
            tokens[place:place] = _member(random)
        elif b'"device_sources"' in tokens and b"]" in tokens:
            tokens[tokens.index(b'"device_sources"') + 2 : tokens.index(b"]") + 1] = [_sources(random)]
    return b"".join(tokens)


def _alike(token: bytes, random: Random) -> bytes:
    """Another token where such a one may stand: another string, number or literal."""
    if token.startswith(b'"'):
        return random.choice(random.choice((_QUOTED, _KEYS)))
    return random.choice(_VALUES) if token[:1].isalnum() or token[:1] == b"-" else token


def _member(random: Random) -> list[bytes]:
    if random.random() < 0.2:
        return [b'"x":null,']
    return [random.choice(_KEYS), b":", random.choice(random.choice((_VALUES, _QUOTED, (b"null",)))), b","]


def _sources(random: Random) -> bytes:
    count = random.choice((0, 1, 1, 2, 15, 16, 17, 17))
    listed = b",".join(random.choice(_SOURCES) if random.random() < 0.1 else b'"ring"' for _ in range(count))
    return random.choice((b"[%s]", b"[%s]", b"[%s]", b"[%s,null]", b"[[%s]]", b'{"a":%s}', b"%s")) % listed


def _flip(payload: bytes, random: Random) -> bytes:
    if not payload:
        return payload
    place = random.randrange(len(payload))
    return payload[:place] + bytes([payload[place] ^ 1 << random.randrange(8)]) + payload[place + 1 :]


def _put(payload: bytes, random: Random) -> bytes:
    start, end = _span(payload, random)
    return payload[:start] + random.choice(_PIECES) + payload[random.choice((start, start, end)) :]


def _drop(payload: bytes, random: Random) -> bytes:
    start, end = _span(payload, random)
    return payload[:start] + payload[end:]


def _repeat(payload: bytes, random: Random) -> bytes:
    start, end = _span(payload, random)
    return payload[:end] + payload[start:]


def _cut(payload: bytes, random: Random) -> bytes:
    return payload[: random.randrange(len(payload) + 1)]


def _join(payload: bytes, random: Random) -> bytes:
    return payload + random.choice(_BETWEEN) + random.choice(seeds())


def _cross(payload: bytes, random: Random) -> bytes:
    other = random.choice(seeds())
    return payload[: random.randrange(len(payload) + 1)] + other[random.randrange(len(other)) :]


def _pad(payload: bytes, random: Random) -> bytes:
    around = random.choice((b" ", b"\n", b"\t", b"\x00", b"\xef\xbb\xbf")) * random.choice((1, 1, 1, 4_096))
    return random.choice((around + payload, payload + around))


def _nest(payload: bytes, random: Random) -> bytes:
    start, _ = _span(payload, random)
    deep = random.choice((3, 100, _MOST_DEEP, random.choice((_MOST_DEEP, 30_000))))
    opened, closed = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return payload[:start] + opened * deep + b"1" + closed * random.choice((0, deep, deep)) + payload[start:]


def _swell(payload: bytes, random: Random) -> bytes:
    start, _ = _span(payload, random)
    many = random.choice((64, 65, 400, 4_000, random.choice((4_000, 66_000))))
    return payload[:start] + random.choice((b"9", b"x", b"0", b"\xc3\xa9", b"\\n")) * many + payload[start:]


def _space(payload: bytes, random: Random) -> bytes:
    old = random.choice((b",", b":", b"{", b"}"))
    return payload.replace(old, random.choice((old + b" ", b" " + old, old + b"\n", b"\t" + old, old + b"\xc2\xa0")))


def _span(payload: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(payload) + 1)
    return start, min(len(payload), start + random.choice((1, 1, 2, 8, 40)))


_DEEDS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    _flip, _flip, _flip, _put, _put, _put, _drop, _repeat, _cut, _join, _cross, _pad, _space,
    lambda payload, random: (_nest if random.random() < 0.3 else _flip)(payload, random),
    lambda payload, random: (_swell if random.random() < 0.3 else _put)(payload, random),
)  # fmt: skip
