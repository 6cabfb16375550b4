"""News for the screens: one channel-layer message a batch, from one long-lived loop.

PostgreSQL is the truth and this is a hint: a publish that fails is logged and counted, and fails nothing.
"""

import asyncio
import os
import threading
from collections.abc import Sequence
from typing import Any, Final

import structlog
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from devices.hashing import secret_hash

log = structlog.get_logger(__name__)
GROUP: Final = "live"
PUBLISH_TIMEOUT_S: Final = 2.0
PENDING_MOST: Final = 32
Vital = tuple[int, str, str]  # the pk of a person, the time of an event (contract's Event), and the event as JSON
Item = tuple[int | None, dict[str, Any]]


def announce(*, vitals: Sequence[Vital] = (), alerts: Sequence[Item] = ()) -> None:
    """Send what changed: newest events, and alerts (contract's Alert), each with the pk of its person; an alert of the
    pipeline has None for a person.

    Returns at once; while the layer does not keep up, news is dropped, and pages catch up from a snapshot.
    """
    if vitals or alerts:
        _publisher().publish({"type": "live.batch", "vitals": list(vitals), "alerts": list(alerts)})


def planned_changed(*, person: int, user_id: str) -> None:
    """Let every page that shows the person read anew what is planned for them; call it after the commit."""
    _publisher().publish(
        {"type": "live.batch", "vitals": [], "alerts": [], "planned": [(person, {"user_id": user_id})]}
    )


def session_ended(*, session_key: str) -> None:
    """Close the sockets of a session that logged out; only the hash of its key travels."""
    _publisher().publish({"type": "live.session_ended", "session": secret_hash(session_key)})


def rights_changed() -> None:
    """Let every socket look again, now, at who is there and whom they may see; call it after the commit."""
    _publisher().publish({"type": "live.rights_changed"})


class _Publisher:
    """Owns a thread with an event loop, because `async_to_sync` would make one for every message."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pending = threading.Semaphore(PENDING_MOST)
        self.failures = 0
        threading.Thread(target=self._loop.run_forever, name="live", daemon=True).start()

    def publish(self, message: dict[str, Any]) -> None:
        if not self._pending.acquire(blocking=False):
            self._fail("the channel layer does not keep up")
            return
        asyncio.run_coroutine_threadsafe(self._send(message), self._loop)

    async def _send(self, message: dict[str, Any]) -> None:
        layer = get_channel_layer()
        assert layer is not None  # noqa: S101  # the settings name one
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await layer.group_send(GROUP, message)
        except (RedisError, OSError, TimeoutError) as error:
            self._fail(str(error) or type(error).__name__)
        finally:
            self._pending.release()

    def _fail(self, reason: str) -> None:
        self.failures += 1
        log.warning("live.publish_failed", reason=reason, failures=self.failures)


_lock = threading.Lock()
_publishers: dict[int, _Publisher] = {}


def _publisher() -> _Publisher:
    """The publisher of this process; a child made by fork gets its own."""
    with _lock:
        if os.getpid() not in _publishers:
            _publishers[os.getpid()] = _Publisher()
        return _publishers[os.getpid()]
