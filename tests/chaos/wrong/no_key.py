"""It inserts without a key: what was sent twice is stored twice."""

from django.db import connection


def change() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE devices_reading DROP CONSTRAINT IF EXISTS devices_reading_pkey")
