"""The tables of the database: made where it is embedded, asked for where it is somebody's own."""

import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from telara import embedded
from telara.embedded import needs

LOCK = 0x7E1A_7AB1  # of PostgreSQL's advisory locks


def bring_up() -> None:
    """Apply the migrations that are pending; of commands that start at once, one does it and the others wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def pending() -> int:
    """How many migrations the database lacks. Raises OperationalError where it does not answer."""
    try:
        executor = MigrationExecutor(connection)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    finally:
        connection.close()


def ensure(argv: list[str]) -> None:
    """Before the command line `argv` runs: the tables that it reads are there, or the process ends and says why.

    What is wrong with the settings ends it too, in a line. A consumer waits for a database that is away.
    """
    try:
        django.setup()
        missing = pending() if needs.tables_wanted(argv) else 0
    except ImproperlyConfigured as error:
        sys.exit(f"telara: {error}")
    except OperationalError as error:
        if argv[1] == "run_consumer":
            return
        sys.exit(f"telara: the database does not answer: {error}")
    if not missing:
        return
    if not embedded.is_embedded("postgres"):
        sys.exit(f"telara: {missing} migrations are not applied to this database; first: manage.py migrate")
    sys.stderr.write("telara: preparing the database\n")
    bring_up()
    connection.close()
