"""What goes for all tests."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

# A test says what is right, never how fast a busy machine finds that out.
settings.register_profile("telara", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("telara")

pytest_plugins = ["tests.personas"]
KEPT: Final = {"django_migrations", "django_content_type", "auth_permission"}  # they are the same for every test
LARGE: Final = {"devices_reading", "devices_metricwindow"}  # and nothing refers to them


# A worker takes whole files. First those that are one long chain: of pages, of killed consumers, of services started.
LONGEST: Final = (
    "browser/test_everyone", "chaos/test_killed", "chaos/test_faults", "telara/test_demo", "telara/test_embedded",
    "ingestion/test_absence_live", "ingestion/test_faults", "browser", "chaos", "ingestion", "telara",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first: at the end no worker is busy alone."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    places = (place for place, name in enumerate(LONGEST) if item.nodeid.startswith(f"tests/{name}"))
    return next(places, len(LONGEST))


@pytest.fixture(autouse=True, scope="session")
def quick_teardown() -> Iterator[None]:
    """After a test that commits, what has rows is emptied. Django makes every table anew, which takes 0.1 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty)
        yield


def _empty(_: Any) -> None:
    has_rows = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in _tables())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(has_rows)
        names = cursor.fetchall()
        cursor.execute("SELECT set_config('telara.audit_door', 'retention', true)")  # else the audit log stays
        for (name,) in names:
            cursor.execute(f'TRUNCATE "{name}"' if name in LARGE else f'DELETE FROM "{name}"')


@cache
def _tables() -> tuple[str, ...]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return tuple(name for name in names if name not in KEPT)
