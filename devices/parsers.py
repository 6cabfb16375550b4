"""JSON bodies that are small, flat enough, and JSON."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any, Final, Protocol

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from devices.errors import ApiError

MAX_BODY: Final = 64 * 1024


class Readable(Protocol):
    """What a body is read from."""

    def read(self, size: int, /) -> bytes: ...


class SmallJSONParser(JSONParser):
    """DRF's strict JSON (no NaN) up to MAX_BODY; too large is 413, nested too deep is malformed."""

    max_body = MAX_BODY

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = BytesIO(read_body(stream, limit=self.max_body))
        try:
            return super().parse(body, media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON is nested too deep.") from None


def read_body(stream: Readable, *, limit: int) -> bytes:
    """What `stream` holds; raises ApiError 413 `too_large` beyond `limit` bytes, having read no more than that."""
    content: bytes = stream.read(limit + 1)
    if len(content) > limit:
        raise ApiError(413, "too_large", f"The body is larger than {limit // 1024} KiB.")
    return content
