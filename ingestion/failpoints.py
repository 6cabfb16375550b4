"""Named points at which a process kills itself, so that tests can kill it there and nowhere else.

`TELARA_FAILPOINTS=after_store:3` ends the process by SIGKILL when it reaches `after_store` for the third time. Settings
let it through only with DEBUG or the test settings.
"""

import os
import signal
from collections import Counter
from functools import cache
from typing import Final, Literal, get_args

from django.conf import settings

Point = Literal[
    "after_poll",
    "after_decode",
    "after_store",
    "before_commit",
    "after_commit",
    "after_offsets",
    "after_publish",
    "late_before_commit",
    "late_after_commit",
]
_reached: Final[Counter[str]] = Counter()


def reach(point: Point) -> None:
    """Die here if the environment says so."""
    fatal = armed().get(point)
    if fatal is None:
        return
    _reached[point] += 1
    if _reached[point] == fatal:
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def armed() -> dict[str, int]:
    """Point to count; raises ValueError for a point that does not exist or a count that is no number from 1 on."""
    found = {}
    for item in filter(None, settings.TELARA_FAILPOINTS.split(",")):
        point, _, count = item.strip().partition(":")
        if point not in get_args(Point):
            raise ValueError(f"TELARA_FAILPOINTS: {point!r} is none of {', '.join(get_args(Point))}")
        if count and not (count.isdecimal() and int(count)):
            raise ValueError(f"TELARA_FAILPOINTS: {item!r}: the count is a whole number from 1 on")
        found[point] = int(count or 1)
    return found
