"""Pages by key: the next page begins after the last row of this one, so that no page is counted or skipped over."""

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from devices.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request
    from rest_framework.views import APIView

LARGEST_PAGE: Final = 1000
NO_CURSOR: Final = "Not a cursor of this list."


class KeysetPagination(BasePagination):
    """Pages of `limit` rows (at most LARGEST_PAGE) in the order of the view's `keyset`, unique together, never null.

    A name with a minus descends. `next` is the address of the next page, null on the last one.
    """

    default_limit = 100

    def paginate_queryset(
        self, queryset: "QuerySet[Any] | Sequence[Any]", request: "Request", view: "APIView | None" = None
    ) -> list[Any]:
        if not isinstance(queryset, QuerySet):
            raise TypeError("Pages by key are cut by the database.")
        self.request = request
        self.keyset: tuple[str, ...] = getattr(view, "keyset", ("pk",))
        limit = _limit(request, self.default_limit)
        cursor = request.query_params.get("cursor", "")
        if cursor:
            queryset = after(queryset, self.keyset, cursor_decoded(cursor, len(self.keyset)))
        rows = list(queryset.order_by(*self.keyset)[: limit + 1])
        self.more = len(rows) > limit
        self.rows = rows[:limit]
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self._next()})

    def _next(self) -> str | None:
        if not self.more:
            return None
        cursor = cursor_of(self.rows[-1], self.keyset)
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": following},
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:  # noqa: ARG002  # DRF's
        limit = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": self.default_limit}
        return [
            {"name": "limit", "in": "query", "schema": limit, "description": "Rows a page."},
            {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "As `next` gives it."},
        ]


def after(rows: QuerySet[Any], keyset: tuple[str, ...], values: list[str]) -> QuerySet[Any]:
    """Those of `rows` that come after the row with these key values; ValidationError where they are none.

    The first condition is implied by the second; it is there so that PostgreSQL starts the index at the row.
    """
    following, equal = Q(), Q()
    for name, value in zip(keyset, values, strict=True):
        field, beyond = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
        following |= equal & Q(**{f"{field}__{beyond}": value})
        equal &= Q(**{field: value})
    first = f"{keyset[0].lstrip('-')}__{'lte' if keyset[0].startswith('-') else 'gte'}"
    try:
        return rows.filter(Q(**{first: values[0]}) & following)
    except (DjangoValidationError, ValueError):
        raise ValidationError({"cursor": [NO_CURSOR]}) from None


def _limit(request: "Request", default: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 9) or not 1 <= int(text) <= LARGEST_PAGE:
        raise ValidationError({"limit": [f"A whole number from 1 to {LARGEST_PAGE}."]})
    return int(text)


def _value(row: Any, name: str) -> Any:
    value = row[name] if isinstance(row, dict) else getattr(row, name)
    return rfc3339(value) if hasattr(value, "tzinfo") else str(value)


def cursor_of(row: Any, keyset: tuple[str, ...]) -> str:
    """Where the page after `row` (a model or a dict) begins."""
    values = [_value(row, name.lstrip("-")) for name in keyset]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def cursor_decoded(cursor: str, length: int) -> list[str]:
    """The key values of a cursor; raises ValidationError where it is none."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != length or not all(_is_key(v) for v in values):
        raise ValidationError({"cursor": [NO_CURSOR]})
    return values


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()
