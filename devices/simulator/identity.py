"""Identities of simulated readings: the same reading made again is the same event."""

import numpy as np
import polars as pl

from devices.simulator.noise import Ints, Keys, bits

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DASHES = (8, 13, 18, 23)
_DIGITS = np.array([place for place in range(36) if place not in _DASHES])


def event_ids(key: Keys, at_ms: Ints, anomaly: str) -> pl.Series:
    """UUIDs of version 8 (RFC 9562: of the maker's own kind) from person and time, as strings.

    The anomaly is part of them: what a person sent under one is another event than what they sent without.
    """
    high = bits(key, f"event.high.{anomaly}", at_ms)
    low = bits(key, f"event.low.{anomaly}", at_ms)
    pair = np.stack([
        (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x8000),
        (low & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000),
    ], axis=1)  # fmt: skip
    raw = pair.astype(">u8").view(np.uint8).reshape(-1, 16)
    text = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    text[:, _DIGITS] = _HEX[np.stack([raw >> 4, raw & 15], axis=2).reshape(-1, 32)]
    return pl.Series(text.view("S36").reshape(-1)).cast(pl.String)
