"""A consumer that is stopped (SIGSTOP) where `TELARA_FAILPOINTS` would have it die: it may wake up again."""

import signal
from types import SimpleNamespace

from devices import failpoints


def change() -> None:
    failpoints.signal = SimpleNamespace(SIGKILL=signal.SIGSTOP)
