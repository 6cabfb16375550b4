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

ConsumerPoint = Literal[
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
# Of the outbox: each entry is handed to the broker between the first two; the third comes after its acknowledgement.
OutboxPoint = Literal["outbox_before_send", "outbox_after_send", "outbox_before_mark", "outbox_after_mark"]
# Of a post: handed to the broker, and acknowledged by it but not yet answered.
PostPoint = Literal["post_before_ack", "post_after_ack"]
TaskPoint = Literal[
    "absence_before_commit",
    "absence_after_commit",
    "snooze_before_commit",
    "snooze_after_commit",
    "rules_before_commit",
    "rules_after_commit",
    "summary_before_commit",
    "summary_after_commit",
    "baseline_before_commit",
    "baseline_after_commit",
    "retention_before_commit",
    "retention_after_commit",
    "mishap_before_commit",
    "mishap_after_commit",
    "simulation_before_commit",
    "simulation_after_commit",
    "incident_before_commit",
    "notify_after_claim",
    "notify_before_note",
    "notify_after_note",
    "erasure_before_commit",
    "erasure_after_commit",
]
Point = ConsumerPoint | OutboxPoint | PostPoint | TaskPoint
POINTS: Final[tuple[str, ...]] = tuple(
    point for group in (ConsumerPoint, OutboxPoint, PostPoint, TaskPoint) for point in get_args(group)
)
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
        if point not in POINTS:
            raise ValueError(f"TELARA_FAILPOINTS: {point!r} is none of {', '.join(POINTS)}")
        if count and not (count.isdecimal() and int(count)):
            raise ValueError(f"TELARA_FAILPOINTS: {item!r}: the count is a whole number from 1 on")
        found[point] = int(count or 1)
    return found
