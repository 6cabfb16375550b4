"""PostgreSQL's arrays as text: psycopg2 adapts lists item by item, which for ten thousand takes longer than to ask."""

from collections.abc import Iterable


def array_text(items: Iterable[int | str]) -> str:
    """For a parameter that is cast to an array. No text among the items holds a quote or a backslash, as no `user_id`
    of the stream does."""
    joined = '","'.join(map(str, items))
    return f'{{"{joined}"}}' if joined else "{}"
