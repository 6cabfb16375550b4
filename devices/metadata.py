"""What OPTIONS tells of an address."""

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import SimpleMetadata

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class Metadata(SimpleMetadata):
    """Its name, what it is for, and the types that it takes and gives. What a body holds is in the OpenAPI document:
    DRF would take the fields of the answer for it."""

    def determine_actions(self, request: "Request", view: "APIView") -> dict[str, Any]:  # noqa: ARG002  # its signature
        return {}
