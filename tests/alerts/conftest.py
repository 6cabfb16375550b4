"""What the tests of alerts share."""

import pytest

from tests.alerts.feeding import RACING, Feed, load


@pytest.fixture
def feed() -> Feed:
    load(RACING)
    return Feed()
