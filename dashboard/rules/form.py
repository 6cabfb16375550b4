"""The text in the editor as a form: what its fields say, and the text after one of them was changed."""

from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from alerts.engine.rule import PIPELINE_EVENTS, RULE_CLASSES, SEVERITIES
from alerts.rule_files.document import DocumentError
from alerts.rule_files.edit import PATHS, value_set, values_of
from dashboard.rules.access import source_of

CHOICES: Final = {"severity": SEVERITIES, "class": RULE_CLASSES, "event": PIPELINE_EVENTS}
LOOKED_AT: Final = ("reading", "window(1m)", "window(10m)", "window(30m, every 1m)", "absence", "pipeline")


@login_required
@require_POST
def form(request: HttpRequest) -> HttpResponse:
    """POST `source` and, to change a value, `path` and `value`: {"source", "values": {path: text}, "problem"}. Nothing
    is kept; `problem` says where the text is no mapping of keys."""
    source, path = source_of(request), request.POST.get("path", "")
    if path and path not in PATHS:
        return render(request, "400.html", {"exception": "There is no such field of a rule."}, status=400)
    try:
        if path:
            source = value_set(source, path, request.POST.get("value", ""))
        values, problem = values_of(source), ""
    except DocumentError as error:
        values, problem = {}, f"line {error.line}, column {error.column}: {error.message}"
    return JsonResponse({"source": source, "values": values, "problem": problem})


def fields() -> dict[str, Any]:
    """What the form offers."""
    return {"choices_of": CHOICES, "looked_at": LOOKED_AT}
