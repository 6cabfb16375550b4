"""How far senders may run ahead of what is stored, on a broker that forgets.

The embedded broker keeps 5 MiB a partition and drops what is older without a word. So whoever sends to it stays
within 3,000 messages and 2 MiB of the ledger, and waits there. Messages of other senders are seen through the end
offsets, which are read anew before a sender has added much; their size is taken to be an ordinary event's. Who sends
the past stays well below that: what is live waits behind it on the same partitions.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

MAX_MESSAGES: Final = 3_000
PAST_MESSAGES: Final = 500
MAX_BYTES: Final = 2 * 1024 * 1024
ORDINARY_BYTES: Final = 700
# So many messages to one partition are on their way at most, where others can't see them, and after so many the other
# senders' are looked at again; who waits looks this often.
LOOK_AFTER: Final = 500
LOOK_EVERY_S: Final = 0.02


@dataclass(slots=True)
class _Lane:
    """One partition: the next offset it will give, the next to be stored, and what of ours lies between."""

    end: int = 0
    stored: int = 0
    flying: int = 0
    flying_bytes: int = 0
    landed: deque[tuple[int, int]] = field(default_factory=deque)
    landed_bytes: int = 0
    unseen: int = 0

    def has_room(self, size: int, most: int) -> bool:
        """Whether it is one of `most` messages; one larger than all the room there is may go alone."""
        waiting = max(0, self.end - self.stored)
        if waiting + self.flying == 0:
            return True
        others = max(0, waiting - len(self.landed)) * ORDINARY_BYTES
        ahead = self.landed_bytes + others + self.flying_bytes + size
        return waiting + self.flying < most and ahead <= MAX_BYTES and self.flying < LOOK_AFTER

    def see(self, end: int, stored: int) -> None:
        self.end, self.stored, self.unseen = max(self.end, end), max(self.stored, stored), 0
        while self.landed and self.landed[0][0] < self.stored:
            self.landed_bytes -= self.landed.popleft()[1]

    def land(self, offset: int, size: int) -> None:
        self.end = max(self.end, offset + 1)
        self.landed.append((offset, size))
        self.landed_bytes += size


class Headroom:
    """Counts what is on its way to a topic, and says whether one more message may go. Threads may share it.

    `ends` and `stored` give the next offset of each partition at the broker and in the ledger; partitions that are
    absent have nothing. `most` messages of a partition may wait, whoever sent them.
    """

    def __init__(
        self,
        topic: str,
        *,
        partitions: int,
        ends: Callable[[], Mapping[int, int]],
        stored: Callable[[], Mapping[int, int]],
        most: int = MAX_MESSAGES,
    ) -> None:
        self.topic = topic
        self._most = most
        self._ends = ends
        self._stored = stored
        self._lanes = [_Lane() for _ in range(partitions)]
        self._lock = threading.Lock()
        self._looked_at = float("-inf")

    def partition(self, key: bytes) -> int:
        """Where the broker's clients put that key."""
        return partition_of(key, len(self._lanes))

    def reserve(self, partition: int, size: int) -> bool:
        """Take the room of one message of `size` bytes; False where there is none now. Settle what was taken."""
        with self._lock:
            if not self._has_room(partition, size):
                return False
            lane = self._lanes[partition]
            lane.flying += 1
            lane.flying_bytes += size
            lane.unseen += 1
            return True

    def has_room(self, partition: int, size: int) -> bool:
        """Whether `reserve` would succeed."""
        with self._lock:
            return self._has_room(partition, size)

    def settle(self, partition: int, size: int, offset: int | None) -> None:
        """The message that took the room lies at `offset` now; None: it was not taken."""
        with self._lock:
            lane = self._lanes[partition]
            lane.flying -= 1
            lane.flying_bytes -= size
            if offset is not None:
                lane.land(offset, size)

    def _has_room(self, partition: int, size: int) -> bool:
        lane = self._lanes[partition]
        if not lane.has_room(size, self._most):
            if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
                self._look()
        elif lane.unseen >= LOOK_AFTER or self._looked_at == float("-inf"):
            self._look()
        return lane.has_room(size, self._most)

    def _look(self) -> None:
        ends, stored = self._ends(), self._stored()
        for number, lane in enumerate(self._lanes):
            lane.see(ends.get(number, 0), stored.get(number, 0))
        self._looked_at = time.monotonic()


def partition_of(key: bytes, partitions: int) -> int:
    """Of a key, as Java's default partitioner and librdkafka's `murmur2_random` choose it."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


@lru_cache(maxsize=65_536)
def _murmur2(key: bytes) -> int:
    """MurmurHash2 (Austin Appleby) of 32 bits with Kafka's seed."""
    mask, magic = 0xFFFFFFFF, 0x5BD1E995
    value = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for start in range(0, whole, 4):
        part = int.from_bytes(key[start : start + 4], "little") * magic & mask
        part = (part ^ part >> 24) * magic & mask
        value = (value * magic & mask) ^ part
    if whole < len(key):
        value = (value ^ int.from_bytes(key[whole:], "little")) * magic & mask
    value = (value ^ value >> 13) * magic & mask
    return value ^ value >> 15
