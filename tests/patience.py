"""How long a test waits for what an idle machine has at once: how long a busy one takes says nothing of Telara."""

from typing import Final

BUSY: Final = 5
