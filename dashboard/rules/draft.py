"""The text in the editor before it is saved: what is wrong with it, what to know of it, what it changes."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from alerts.engine import Rule
from alerts.rule_files import Problem, parse_rule
from alerts.rule_files.document import MAX_BYTES
from alerts.services.rules import rule_problems
from dashboard.rules.access import may_change, rule_or_404, source_of
from dashboard.rules.missing import shares_present, warnings_of

if TYPE_CHECKING:
    from devices.models import User

MOST_COMPARED: Final = 1_000  # lines: of more, finding what stayed takes too long


@may_change
@require_POST
def lint(request: HttpRequest) -> JsonResponse:
    """POST `source`, and `rule_id` where it is to be a version of one: {"problems": [{line, column, message}],
    "warnings": [...]}; a text with problems has no warnings."""
    rule_id, source = request.POST.get("rule_id", ""), source_of(request)
    found = rule_problems(source=source, rule=rule_or_404(rule_id) if rule_id else None)
    said = () if found else _warnings(cast("User", request.user), source)
    return JsonResponse({"problems": _places(found), "warnings": _places(said)})


@may_change
@require_POST
def compare(request: HttpRequest, rule_id: str) -> HttpResponse:
    """POST `source`: a part of the page that shows what it changes of the newest version."""
    newest, source = list(rule_or_404(rule_id).versions.all())[-1], source_of(request)
    if len(source.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        said = f"The text of a rule is {MAX_BYTES // 1024} KiB at most."
        return render(request, "400.html", {"exception": said}, status=400)
    title = f"Version {newest.number} and this text compared"
    return render(request, "_rule_diff.html", {"title": title, "diff": diff_of(newest.source, source)})


def diff_of(old: str, new: str) -> list[tuple[str, str]]:
    """Lines as (kind, text); kind is `added`, `removed` or `same`. Of very long texts no line is the same."""
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > MOST_COMPARED:
        return [("removed", line) for line in before] + [("added", line) for line in after]
    found: list[tuple[str, str]] = []
    for kind, start, end, low, high in SequenceMatcher(None, before, after).get_opcodes():
        if kind == "equal":
            found += [("same", line) for line in before[start:end]]
        else:
            found += [("removed", line) for line in before[start:end]] + [("added", line) for line in after[low:high]]
    return found


def _warnings(user: "User", source: str) -> list[Problem]:
    rule = parse_rule(source, judged=False).rule
    present = shares_present(user=user, at=timezone.now())
    return warnings_of(rule, source, present) if isinstance(rule, Rule) else []


def _places(found: Iterable[Problem]) -> list[dict[str, Any]]:
    return [{"line": each.line, "column": each.column, "message": each.message} for each in found]
