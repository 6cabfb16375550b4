"""What the tests of the pages and sockets share."""

from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.db import connections


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
async def _close_connections_of_threads() -> AsyncIterator[None]:
    """A socket reads the database in a thread; its connection would outlive the test database."""
    yield
    await sync_to_async(connections.close_all)()
