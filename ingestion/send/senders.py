"""Who is still sending: a sign that `run_consumer --until-caught-up` waits for.

Every replay and every simulator holds a shared advisory lock of the database while it sends, on a connection of its
own. A sender that is killed loses it with its connection, so the sign is never left behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from devices.models import Simulation
from devices.simulations import simulations_alive

LOCK: Final = (0x54454C41, 1)  # "TELA", and the first of its locks


@contextmanager
def sending() -> Iterator[None]:
    """Be known as a sender. Leave it only when everything is acknowledged."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s, %s)", LOCK)
        yield
    finally:
        _release(own)


def _release(own: BaseDatabaseWrapper) -> None:
    """Unlock first: a backend that is told to go still holds its locks for a moment."""
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_shared(%s, %s)", LOCK)
    except (OperationalError, InterfaceError):  # the server went, and took the lock with it
        own.connection = None
    finally:
        own.close()


def senders_active() -> bool:
    """Whether anybody is within `sending` on this database, or the worker carries a simulation out."""
    at = timezone.now()
    if simulations_alive(at=at).filter(runner=Simulation.Runner.WORKER).exists():
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            LOCK,
        )
        return bool(cursor.fetchone()[0])
