"""What the tests of the stream share."""

import pytest

from devices import live
from devices.models import User
from tests.ingestion.watching import Watch
from tests.made import make_wearer


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(live, "announce", lambda *, vitals, alerts: made.told.extend(alert for _, alert in alerts))
    return made


@pytest.fixture
def ann() -> User:
    return make_wearer("ann")


@pytest.fixture
def bob() -> User:
    return make_wearer("bob")
