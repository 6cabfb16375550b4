"""Messages as producers and vandals send them: text around a valid event, spelled in every way that JSON allows."""

import json
from random import Random
from typing import Any

from devices.metrics import METRICS

EVENT_ID = "0b9e1c1e-0000-4000-8000-{:012x}"
TIMES = (
    "2026-05-31T00:00:00Z", "2026-05-31T00:00:00.5Z", "2026-05-31T00:00:00.123456789Z",
    "2026-05-31T00:00:00.1234567890123Z", "2026-05-31T02:00:00+02:00", "2026-05-31t00:00:00z",
    "2026-05-31 00:00:00Z", "2026-05-31T23:59:60Z", "2026-02-30T00:00:00Z", "2026-05-31T24:00:00Z",
    "2026-05-31T00:00:00", "2026-05-31T00:00Z", "2026-05-31", "yesterday", "", "1780185600",
    "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z",
    "0000-13-41T00:00:00Z", "12345-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z",
    "2026-06-01T00:05:00Z", "2026-06-01T00:05:00.000001Z", "2026-06-01T00:04:59.999999999Z",
    "2026-05-31T00:00:00.Z", "2026-05-31T00:00:00Z ", "2026-05-31T00:00:00+24:00", "2026-05-31T00:00:00-00:00",
    "\uff12026-05-31T00:00:00Z", "2026-05-31T0\u0660:00:00Z", "2200-01-01T00:00:00Z", "2026-5-31T0:0:0Z",
)  # fmt: skip
TEXTS = (
    "", "a", "user_001", "123", "-5", "1e5", "true", "false", "null", "x:null", "a: null", "::", "[]", "{}", "[1]",
    '{"a": 1}', "ünï", "日本", "a b", "a\tb", "\x00", "\x7f", "\x85", "\u2028", "\ud800", "\\", '"', "\ufeff", "\ufffd",
    "x" * 64, "x" * 65, "é" * 64, "seated", "rem", "SEATED", "Infinity", "NaN", "0b9e1c1e-0000-4000-8000-00000000000A",
    "\n", "\r", "/", "a@b+c.d-e_f:g",
)  # fmt: skip
NUMBERS = (
    "0", "-0", "-0.0", "1", "72", "72.5", "7.25e1", "725E-1", "0.1", "12.345678901234567890", "350", "350.0000000001",
    "255", "1e2", "1e-400", "1e400", "1e999", "-1", "18446744073709551616", "9" * 400, "0." + "3" * 400, "NaN",
    "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x10", "1_000", "5e-324", "49.99999999999999999999", "1e+1",
)  # fmt: skip
ODDITIES = ("null", "true", "false", "[]", "{}", "[72]", '"72"', '{"a":1}', "nul", "", "[null]", '{"heart_rate":72}')
MANGLED = (
    b"", b" ", b"{}", b"[]", b"null", b"5", b'"x"', b"\x00", b"\xff\xfe", b"{", b"}", b'{"a":1}{"b":2}', b"\n", b"\r\n",
    b"[" * 30_000, b'{"a":' * 30_000, b"[" * 500 + b"]" * 500, b'{"event_id":1}', b'{"x":"\\ud800"}', b"nan",
    b" " * 5000 + b"{}", b'{"a":1},{"b":2}', b"x" * 65_536, b"x" * 65_537,
)  # fmt: skip


class Raw(str):
    """Text that stands in the message as it is."""


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may come twice."""


def event_of(random: Random) -> Pairs:
    """A valid event with some of everything."""
    groups: dict[str, Pairs] = {}
    for metric in METRICS.values():
        if random.random() < 0.4:
            value: Any = random.choice(metric.choices) if metric.is_text else _sound(metric, random)
            groups.setdefault(metric.group, Pairs()).append((metric.field, value))
    event = Pairs([("event_id", EVENT_ID.format(random.randrange(16**12))), ("timestamp", TIMES[random.randrange(3)])])
    event.append(("user_id", random.choice(("user_001", "7", "a:b", "123e4", "null_is_me", "-", "true", "x"))))
    if random.random() < 0.5:
        event.append(("device_sources", [random.choice(("apple_watch", "a:b", "", "ring")) for _ in range(2)]))
    return Pairs([*event, *groups.items()])


def _sound(metric: Any, random: Random) -> Raw:
    value = random.uniform(metric.low, metric.high)
    shapes = (f"{value:.0f}", f"{value:.1f}", repr(value), f"{value:.3e}", f"{value:.25f}")
    return Raw(random.choice((*shapes, *map(repr, metric.sentinels))))


def spoil(event: Pairs, random: Random) -> None:  # noqa: C901  # a list of deeds
    """Do one thing to an event that a careless or a hostile producer might do."""
    holder = _holder(event, random)
    if not holder:
        return
    place = random.randrange(len(holder))
    name, value = holder[place]
    deed = random.randrange(10)
    if deed == 0:
        del holder[place]
    elif deed == 1:
        holder[place] = (name, _anything(random))
    elif deed == 2:
        holder.insert(random.randrange(len(holder) + 1), (name, random.choice((None, value, _anything(random)))))
    elif deed == 3:
        holder.insert(random.randrange(len(holder) + 1), (random.choice(TEXTS), _anything(random)))
    elif deed == 4:
        _put(event, "timestamp", random.choice(TIMES))
    elif deed == 5:
        _put(event, "user_id", random.choice((random.choice(TEXTS), Raw(random.choice(("5", "1e5", "true", "-7"))))))
    elif deed == 6:
        _put(event, "device_sources", _sources(random))
    elif deed == 7:
        metric = random.choice(list(METRICS.values()))
        event.append((metric.group, Pairs([(metric.field, _anything(random))])))
    elif deed == 8:
        holder.append((random.choice([metric.field for metric in METRICS.values()]), random.choice((None, Raw("72")))))
    else:
        holder[place] = (name, None)


def _put(event: Pairs, name: str, value: Any) -> None:
    event[:] = [(key, inner) for key, inner in event if key != name] + [(name, value)]


def _sources(random: Random) -> Any:
    items = (*TEXTS, None, Raw("5"), Raw("-1.5e3"), Raw("true"), Raw("[]"), Raw('["a"]'), Raw("{}"), Raw('{"a":null}'))
    return [random.choice(items) for _ in range(random.choice((0, 1, 1, 2, 3, 16, 17)))]


def _holder(event: Pairs, random: Random) -> Pairs:
    groups = [value for _, value in event if isinstance(value, Pairs)]
    return random.choice([event, *groups])


def _anything(random: Random) -> Any:
    kind = random.randrange(6)
    if kind == 0:
        return random.choice(TEXTS)
    if kind in (1, 2):
        return Raw(random.choice(NUMBERS))
    if kind == 3:
        return _sources(random)
    return Raw(random.choice(ODDITIES))


def written(value: Any, random: Random, spelling: str) -> str:
    """JSON text; `spelling` is compact, python (`": "`), wild (any whitespace, any escape)."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        colon = {"compact": ":", "python": ": "}.get(spelling, "")
        parts = []
        for key, inner in value:
            between = colon or random.choice((":", " :", ": ", ":\t", ":  ", " : "))
            parts.append(f"{_quoted(key, random, spelling)}{between}{written(inner, random, spelling)}")
        return "{" + _comma(random, spelling).join(parts) + "}"
    if isinstance(value, list):
        return "[" + _comma(random, spelling).join(written(item, random, spelling) for item in value) + "]"
    return _quoted(value, random, spelling) if isinstance(value, str) else json.dumps(value)


def _comma(random: Random, spelling: str) -> str:
    return {"compact": ",", "python": ", "}.get(spelling) or random.choice((",", " ,", ",\n", "\r,", ", "))


def _quoted(text: str, random: Random, spelling: str) -> str:
    quoted = json.dumps(text, ensure_ascii=random.random() < 0.5)
    if spelling == "wild" and random.random() < 0.2:
        quoted = '"' + "".join(f"\\u{ord(c):04x}" if c.isascii() else json.dumps(c)[1:-1] for c in text) + '"'
    return quoted


def message(random: Random) -> bytes:
    """One message: an event, untouched or spoilt up to three times, or bytes that are none."""
    if random.random() < 0.05:
        return random.choice(MANGLED)
    event = event_of(random)
    if random.random() < 0.3:
        random.shuffle(event)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        spoil(event, random)
    payload = written(event, random, random.choice(("compact", "compact", "python", "wild")))
    return _bytes(payload, random)


def _bytes(text: str, random: Random) -> bytes:
    payload = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.06:
        cut = random.randrange(len(payload) + 1)
        payload = random.choice((
            payload[:cut], b"\xef\xbb\xbf" + payload, payload + b"\n", payload + b" x", payload + payload,
            payload[:cut] + bytes([random.randrange(256)]) + payload[cut:], b"\n" + payload,
            payload.replace(b",", b",\n"),
        ))  # fmt: skip
    return payload
