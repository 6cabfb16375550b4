"""What the tests of the pages and sockets share."""

from collections.abc import AsyncIterator, Callable

import pytest
from asgiref.sync import sync_to_async
from django.core import mail
from django.core.cache import cache
from django.db import connections
from django.test import Client

from devices.models import User
from devices.tasks import send_mails
from tests.dashboard.pages import Visit
from tests.made import confirm, make_user


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
    """A browser signed in as that person, a moment ago; as nobody for None."""

    def signed_in(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
            confirm(client)
        return client

    return signed_in


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def mailing(settings) -> Callable[[], list[mail.EmailMessage]]:
    """A mail server is set up. Call it to have the worker do its work: what was sent until now."""
    settings.TELARA_MAIL, settings.TELARA_URL = True, "http://testserver"

    def sent() -> list[mail.EmailMessage]:
        send_mails()
        return mail.outbox

    return sent
