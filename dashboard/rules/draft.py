"""The text in the editor before it is saved: what is wrong with it, what to know of it, what it changes."""

from collections.abc import Iterable
from difflib import ndiff
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from alerts.engine import Rule
from alerts.rule_files import Problem, parse_rule
from alerts.services.rules import rule_problems
from dashboard.rules.access import may_change, rule_or_404, source_of
from dashboard.rules.missing import shares_present, warnings_of

if TYPE_CHECKING:
    from devices.models import User


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
    newest = list(rule_or_404(rule_id).versions.all())[-1]
    title = f"Version {newest.number} and this text compared"
    return render(request, "_rule_diff.html", {"title": title, "diff": diff_of(newest.source, source_of(request))})


def diff_of(old: str, new: str) -> list[tuple[str, str]]:
    """Lines as (kind, text); kind is `added`, `removed` or `same`."""
    kinds = {"+ ": "added", "- ": "removed", "  ": "same"}
    lines = ndiff(old.splitlines(), new.splitlines())
    return [(kinds[line[:2]], line[2:]) for line in lines if line[:2] in kinds]


def _warnings(user: "User", source: str) -> list[Problem]:
    rule = parse_rule(source, judged=False).rule
    present = shares_present(user=user, at=timezone.now())
    return warnings_of(rule, source, present) if isinstance(rule, Rule) else []


def _places(found: Iterable[Problem]) -> list[dict[str, Any]]:
    return [{"line": each.line, "column": each.column, "message": each.message} for each in found]
