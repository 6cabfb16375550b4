"""Commands find their tables: in a checkout where nothing ever ran, and in a database that nobody prepared."""

from collections.abc import Iterator

import pytest

from tests.telara.checkouts import Copy, copied

pytestmark = pytest.mark.own_services
COUNT = "from alerts.models import Rule; print('rules:', Rule.objects.count())"


@pytest.fixture(scope="module")
def checkout() -> Iterator[Copy]:
    with copied() as copy:
        yield copy


def test_the_first_commands_of_a_checkout_prepare_the_database_once(checkout: Copy) -> None:
    both = [checkout.start("manage.py", "load_rules"), checkout.start("manage.py", "shell", "-v0", "-c", COUNT)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "telara: preparing the database" in "".join(said)
    assert "preparing" not in checkout.run("manage.py", "shell", "-v0", "-c", COUNT)


def test_a_database_that_is_somebodys_own_is_left_alone_and_the_remedy_named(checkout: Copy) -> None:
    joined = checkout.join()
    checkout.run(
        "manage.py",
        "shell",
        "-v0",
        "-c",
        "from django.db import connection as c; c.cursor().execute('CREATE DATABASE own')",
    )
    named = {
        "DATABASE_URL": joined.database.replace("/telara?", "/own?"),
        "KAFKA_BOOTSTRAP_SERVERS": joined.kafka,
        "REDIS_URL": joined.redis,
        "SECRET_KEY": "x" * 50,
    }
    command = checkout.start("manage.py", "load_rules", **named)
    said, _ = command.communicate()
    assert command.returncode == 1
    assert "migrations are not applied" in said
    assert "manage.py migrate" in said
    assert "Traceback" not in said
