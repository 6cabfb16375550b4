"""Bytes that anybody may have sent, as a page may show them."""

import re
from dataclasses import dataclass
from typing import Final

A_LINE: Final = 16


def as_text(raw: bytes) -> str:
    """Bytes as text that shows itself: what is no UTF-8, and what no page can show, escaped."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_hex(raw: bytes) -> str:
    """Sixteen bytes a line: where they are, what they are, and those that are printable ASCII."""
    return "\n".join(_hex_line(place, raw[place : place + A_LINE]) for place in range(0, len(raw), A_LINE))


def _hex_line(place: int, part: bytes) -> str:
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
    return f"{place:04x}  {part.hex(' '):<47}  {shown}"


@dataclass(frozen=True, slots=True)
class Marked:
    """A text in three parts, of which `fault` is what is wrong with it; empty where nothing can be pointed at."""

    before: str
    fault: str
    after: str


def marked(raw: bytes, *, field: str) -> Marked:
    """`raw` as text, with the last mention of the field and its value as the fault: of equal keys the last counts."""
    text = as_text(raw)
    name = field.rpartition(".")[2]
    mentions = list(re.finditer(rf'"{re.escape(name)}"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}}\]]*)', text)) if name else []
    if not mentions:
        return Marked(text, "", "")
    last = mentions[-1]
    return Marked(text[: last.start()], last.group(), text[last.end() :])
