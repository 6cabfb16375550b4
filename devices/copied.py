"""What PostgreSQL copies out, asked for as any other statement is."""

import io
from collections.abc import Sequence
from typing import Any

from django.db import connection


def copied(sql: str, parameters: Sequence[Any]) -> bytes:
    """What a `COPY ... TO STDOUT` gives. Errors are Django's.

    A cursor's `copy_expert` is the driver's own: Django's hooks (`connection.execute_wrappers`) hear nothing of it, and
    so the COPY of a batch that still runs on this connection (`ingestion/write/copying.py`) would be cut short.
    """
    out = io.BytesIO()
    with connection.cursor() as cursor, connection.wrap_database_errors:

        def execute(sql: str, parameters: Sequence[Any], *_: object) -> None:
            cursor.copy_expert(cursor.mogrify(sql, parameters), out)

        cursor._execute_with_wrappers(sql, parameters, many=False, executor=execute)
    return out.getvalue()
