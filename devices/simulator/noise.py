"""Random numbers without a generator: each is a hash of who, what and when.

A simulated value must come out the same whichever stretch of time is asked for, in whatever slices and in whichever
process. So nothing here has state: a number depends on the person's key, the name of a stream, and an index alone.
Arrays broadcast; a key of shape (people, 1) against an index of shape (people, times) is the usual case.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def person_keys(seed: int, user_ids: Sequence[str]) -> Keys:
    """One key a person, shape (people, 1), from the seed and the `user_id` alone."""
    return np.array([[_digest(f"{seed}|{user_id}")] for user_id in user_ids], dtype=np.uint64).reshape(-1, 1)


def bits(key: Keys, stream: str, index: Ints) -> Keys:
    """64 random bits: the finaliser of splitmix64 (Steele, Lea, Flood 2014) over key, stream and index."""
    with np.errstate(over="ignore"):
        return _mix(_mix(key ^ _stream(stream)) + index.astype(np.uint64) * _GOLDEN)


def uniform(key: Keys, stream: str, index: Ints) -> Floats:
    """Uniform in [0, 1)."""
    return (bits(key, stream, index) >> np.uint64(11)).astype(np.float64) * _TO_UNIT


def between(key: Keys, stream: str, index: Ints, low: float, high: float) -> Floats:
    """Uniform in [low, high)."""
    return low + (high - low) * uniform(key, stream, index)


def white(key: Keys, stream: str, seconds: Floats) -> Floats:
    """Uniform in [-1, 1), a new value each millisecond of time."""
    return 2.0 * uniform(key, stream, np.rint(seconds * 1000.0).astype(np.int64)) - 1.0


def smooth(key: Keys, stream: str, seconds: Floats, period: float) -> Floats:
    """A wandering value in [-1, 1] that turns about every `period` seconds: value noise with a cubic blend."""
    position = seconds / period
    index = np.floor(position)
    part = position - index
    step = index.astype(np.int64)
    here = uniform(key, stream, step)
    there = uniform(key, stream, step + 1)
    blend = here + (there - here) * (part * part * (3.0 - 2.0 * part))
    return 2.0 * blend - 1.0


def _mix(x: Keys) -> Keys:
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    mixed: Keys = x ^ (x >> np.uint64(31))
    return mixed


@cache
def _stream(name: str) -> np.uint64:
    return np.uint64(_digest(name))


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
