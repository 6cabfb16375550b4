"""The fault matrix: what it needs of the services, and which part of it every run has."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.alerts.feeding import RACING, load
from tests.chaos import journal
from tests.chaos.attended import Attended, attending
from tests.chaos.screen import Screen, screen
from tests.chaos.stage import Stage
from tests.made import make_installation, make_user

FIRST_DAY = timedelta(days=1)
WARM = """
id: warm
alert_type: WARM
title: A minute of a fast heart
severity: MEDIUM
over: window(1m)
when: avg_heart_rate > 105
max_gap: 5m
measures: [avg_heart_rate]
description: A test's rule.
falsepositives: [none]
references: [none]
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without services of its own only the core is played: the rest stops and kills what others use."""
    if "TELARA_CHAOS_SERVICES" in os.environ:
        return
    here = Path(__file__).parent
    left_out = [item for item in items if here in item.path.parents and not item.get_closest_marker("chaos_core")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        config.stash[LEFT_OUT] = len(left_out)


LEFT_OUT = pytest.StashKey[int]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{count} scenarios of the fault matrix need services of their own: make chaos")


@pytest.fixture(scope="module", autouse=True)
def _database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One database for all scenarios of a file: each has people of its own, so that a consumer may outlive it."""
    if settings.TELARA_KAFKA_EMBEDDED:
        pytest.skip("the fault matrix needs Apache Kafka (KAFKA_BOOTSTRAP_SERVERS)")
    with django_db_blocker.unblock():
        make_installation()
        load(RACING, WARM, when=timezone.now() - FIRST_DAY)
        journal.install()
        yield
        journal.remove()
        with connection.cursor() as cursor:
            cursor.execute("SET telara.audit_door = 'retention'")  # else the audit log stays
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def _django_db_helper() -> None:
    """Of a scenario alone nothing is flushed: pytest-django's marker only asks for the database."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture(scope="module")
def attended(_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attended]:
    """A consumer that the scenarios of a file share."""
    with attending(tmp_path_factory.mktemp("attended")) as shared:
        yield shared


@pytest.fixture(scope="module")
def page(attended: Attended) -> Iterator[Screen]:
    """A page of everybody's that stays open through the scenarios of a file, behind the same lines."""
    viewer = make_user("chief", "view_all_wearers")
    with screen(attended.folder, viewer, **attended.lines()) as shown:
        attended.page = shown
        yield shown


@pytest.fixture
def lane(tmp_path: Path) -> Stage:
    """A stage of one partition, where whoever comes next goes on exactly where another was."""
    return Stage(tmp_path, partitions=1)
