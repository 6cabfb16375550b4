"""The threads that carry messages: several at once, and few of one owner, so that whoever has a slow service keeps
nobody else waiting."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from alerts.models import Delivery
from alerts.notify.message import Message
from alerts.notify.senders import Outcome, Target

THREADS: Final = 8
THREADS_EACH: Final = 2  # of one owner


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed message, ready to leave."""

    delivery: Delivery
    target: Target
    message: Message


class Couriers:
    """The threads of one run, each for one job; `carry` does it, and raises nothing."""

    def __init__(self, carry: Callable[[Job], Outcome]) -> None:
        self._carry = carry
        self._away: Counter[int] = Counter()  # by owner
        self._back: queue.SimpleQueue[tuple[Job, Outcome]] = queue.SimpleQueue()

    @property
    def are_away(self) -> bool:
        """Whether any is still to come back."""
        return self._away.total() > 0

    def next_of(self, waiting: Sequence[Delivery]) -> Delivery | None:
        """The first of these that a thread is free for."""
        if self._away.total() >= THREADS:
            return None
        return next((each for each in waiting if self._away[each.channel.owner_id] < THREADS_EACH), None)

    def take(self, job: Job) -> None:
        """Carry it, in a thread of its own."""
        self._away[job.delivery.channel.owner_id] += 1
        threading.Thread(target=lambda: self._back.put((job, self._carry(job))), daemon=True).start()

    def wait(self, timeout_s: float) -> tuple[Job, Outcome] | None:
        """A job that is done, with its outcome; None where none is in time."""
        try:
            job, outcome = self._back.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        self._away[job.delivery.channel.owner_id] -= 1
        return job, outcome
