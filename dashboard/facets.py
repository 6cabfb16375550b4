"""Links that narrow a list, each with how many rows it would show."""

from dataclasses import dataclass
from typing import Final

COUNTED_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Facet:
    """A link that narrows the list, how many rows it would show, and whether it is chosen."""

    label: str
    href: str
    count: str
    current: bool
    severity: str = ""


def shown_count(count: int, *, at_least: bool = False) -> str:
    """`312`, `312+` where there may be more, and `9,999+` from ten thousand on."""
    return "9,999+" if count >= COUNTED_MOST else f"{count:,}{'+' if at_least else ''}"
