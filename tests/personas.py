"""The people whom tests send to pages and to the API; a folder may have others of these names."""

import pytest

from devices.models import User
from tests.made import make_user, make_wearer


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
