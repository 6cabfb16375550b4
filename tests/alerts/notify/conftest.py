"""What the tests of notifications share: people, a webhook that listens, and the worker's round at a given time."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from alerts.models import Channel, Route
from alerts.notify.deliver import deliveries_send
from alerts.notify.incidents import incidents_update
from alerts.notify.notices import notices_decide
from alerts.services.notifications import channel_make
from devices.models import User
from tests.alerts.notify.hook import Hook, Round, hook
from tests.made import make_user, make_wearer


@pytest.fixture(scope="session")
def _listening() -> Iterator[Hook]:
    with hook() as made:
        yield made


@pytest.fixture
def listener(_listening: Hook) -> Hook:
    _listening.received.clear()
    _listening.answers.clear()
    return _listening


@pytest.fixture
def wearer(db: None) -> User:
    return make_wearer(display_name="Ann Walker")


@pytest.fixture
def alice(wearer: User) -> User:
    return make_user("alice", watches=(wearer,), display_name="Alice")


@pytest.fixture
def channel(alice: User, listener: Hook, settings) -> Channel:
    made, _ = channel_make(
        owner=alice, name="phone", kind="webhook", address=listener.url, networks=settings.TELARA_NOTIFY_NETWORKS
    )
    return made


@pytest.fixture
def route(channel: Channel) -> Route:
    """From MEDIUM on, at once."""
    return Route.objects.create(owner=channel.owner, channel=channel, least_severity="MEDIUM")


@pytest.fixture
def tell() -> Round:
    """What the worker does every two seconds."""

    def at_(at: datetime) -> None:
        incidents_update(at=at)
        notices_decide(at=at)
        deliveries_send(at=at)

    return at_
