"""The page that shows the API: what OpenAPI says of it, from the server, under the policy of every other page."""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from telara.api_reference import Reference, reference_of


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """For everybody; who is signed in may try what only reads."""
    host = f"{request.scheme}://{request.get_host()}"
    return render(request, "api_docs.html", {"page_title": "API", "host": host, "reference": reference()})


@cache
def reference() -> Reference:
    """Read once a process: the document only changes with the code."""
    return reference_of(SchemaGenerator().get_schema(public=True))  # type: ignore[no-untyped-call]  # it ships no types
