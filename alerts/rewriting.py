"""Many rows written anew at once."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Model

from alerts.models import Alert


def alerts_rewrite(alerts: Sequence[Alert], *, fields: Sequence[str]) -> None:
    """`rows_rewrite` of alerts."""
    rows_rewrite(alerts, fields=fields)


def rows_rewrite(rows: Sequence[Model], *, fields: Sequence[str]) -> None:
    """Write these fields of rows of one model that are there, in one statement.

    `bulk_update` does the same by a CASE a field with a WHEN a row, which takes longer to put together than all else
    that a small batch needs.
    """
    if not rows:
        return
    meta = rows[0]._meta
    key = meta.pk
    written = [field for field in meta.concrete_fields if field.name in fields]
    columns = [[field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows] for field in written]
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in written)
    names = [f'"{field.column}"' for field in written]
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{meta.db_table}" AS a SET {", ".join(f"{name} = v.{name}" for name in names)}'
            f" FROM unnest(%s::{key.rel_db_type(connection)}[], {arrays}) AS v (key, {', '.join(names)})"
            f' WHERE a."{key.column}" = v.key',
            [[row.pk for row in rows], *columns],
        )
