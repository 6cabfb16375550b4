"""A consumer that is stopped (SIGSTOP) beside its batches: in the transaction that rewrites alerts once a second."""

import os
import signal
from typing import Any

from alerts.detection import Detection


def change(*, write: Any = Detection._write) -> None:
    def stops(detection: Detection, *arguments: Any, **options: Any) -> Any:
        written = write(detection, *arguments, **options)
        if "rewrite_every" in options and written.alerts:
            os.kill(os.getpid(), signal.SIGSTOP)
        return written

    Detection._write = stops  # type: ignore[method-assign]
