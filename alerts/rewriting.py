"""Many alerts written anew at once."""

from collections.abc import Sequence

from django.db import connection

from alerts.models import Alert


def alerts_rewrite(alerts: Sequence[Alert], *, fields: Sequence[str]) -> None:
    """Write these fields of alerts that are there, in one statement.

    `bulk_update` does the same by a CASE a field with a WHEN an alert, which takes longer to put together than all
    else that a small batch needs.
    """
    if not alerts:
        return
    written = [field for field in Alert._meta.concrete_fields if field.name in fields]
    columns = [
        [field.get_db_prep_save(getattr(alert, field.attname), connection) for alert in alerts] for field in written
    ]
    arrays = ", ".join(["%s::uuid[]", *(f"%s::{field.db_type(connection)}[]" for field in written)])
    names = [f'"{field.column}"' for field in written]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE alerts_alert AS a SET {', '.join(f'{name} = v.{name}' for name in names)}"
            f" FROM unnest({arrays}) AS v (key, {', '.join(names)}) WHERE a.alert_id = v.key",
            [[alert.alert_id for alert in alerts], *columns],
        )
