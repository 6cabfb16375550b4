"""What the tests of the pages and sockets share."""

from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.db import connections
from django.test import Client

from devices.models import User
from tests.dashboard.pages import Visit
from tests.made import make_user, make_wearer


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
async def _close_connections_of_threads() -> AsyncIterator[None]:
    """A socket reads the database in a thread; its connection would outlive the test database."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def visit() -> Visit:
    """A browser signed in as that person; as nobody for None."""

    def signed_in(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def wearer(db: None) -> User:
    return make_wearer("user_001", display_name="Ann")


@pytest.fixture
def other(db: None) -> User:
    """Another wearer, whom the analyst does not watch."""
    return make_wearer("user_002")


@pytest.fixture
def analyst(wearer: User) -> User:
    """Watches `wearer`."""
    return make_user("analyst", watches=(wearer,))


@pytest.fixture
def lead(db: None) -> User:
    """May see everyone."""
    return make_user("lead", "view_all_wearers")


@pytest.fixture
def stranger(db: None) -> User:
    return make_user("stranger")


@pytest.fixture
def staff(db: None) -> User:
    """Staff without any permission: the admin is theirs, people's data is not."""
    return make_user("staff", is_staff=True)
