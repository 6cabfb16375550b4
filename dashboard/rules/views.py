"""The rules: what each says, how often it fires, and, for those who may, the editor and the switch.

Everyone signed in reads; writing takes `alerts.change_rule`, as in the admin and the API.
"""

from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from alerts.models import Rule, RuleChange, RuleVersion
from alerts.rule_files import Problem
from alerts.services.rules import RuleProblems, rule_disable, rule_enable, rule_write
from dashboard.rules.access import PERMISSION, may_change, require_change, rule_or_404, source_of, why_of
from dashboard.rules.backtest import choices
from dashboard.rules.draft import diff_of
from dashboard.rules.form import fields
from dashboard.rules.listing import Row, grouped, rows_of, said_by
from devices.reader import clock_shown

if TYPE_CHECKING:
    from devices.models import User

TEMPLATE: Final = """\
id: name-of-the-rule
alert_type: NAME_OF_THE_RULE
title: What people read
severity: MEDIUM
over: reading
when: heart_rate > 150
sustained: {count: 3, within: 60s}
max_gap: 60s
measures: [heart_rate]
description: What it finds.
"""


@login_required
def rules(request: HttpRequest) -> HttpResponse:
    """GET /rules/?q=WORDS the list; ?new=1 with an empty editor; POST a new rule."""
    if request.method == "POST":
        return _save(request, None)
    if "new" in request.GET:
        return _new(request, TEMPLATE)
    return render(request, "rules.html", _list(request))


@login_required
def rule(request: HttpRequest, rule_id: str) -> HttpResponse:
    """GET the rule's page; ?from=N puts version N into the editor, ?compare=N shows what became of it. POST saves."""
    found = rule_or_404(rule_id)
    if request.method == "POST":
        return _save(request, found)
    versions = list(found.versions.all())
    earlier = _version(versions, request.GET.get("from"))
    compared = _version(versions, request.GET.get("compare"))
    context = _editor(request, found, (earlier or versions[-1]).source, ())
    if compared and len(versions) > 1:
        old, new = sorted((compared, _other(versions, compared)), key=lambda version: version.number)
        context["title"] = f"Versions {old.number} and {new.number} compared"
        context["diff"] = diff_of(old.source, new.source)
    return render(request, "rules.html", context)


@may_change
@require_POST
def switch(request: HttpRequest, rule_id: str) -> HttpResponse:
    """POST `to` (on, off) and `note`: why."""
    found, user, at = rule_or_404(rule_id), cast("User", request.user), timezone.now()
    note = why_of(request)
    to = request.POST.get("to")
    if to not in ("on", "off") or not note:
        return render(request, "400.html", {"exception": "On or off, and why."}, status=400)
    if to == "on":
        version = rule_enable(rule=found, by=user, at=at, note=note)
        messages.success(
            request, f"{rule_id} is on: version {version.number} from {clock_shown(version.active_from, seconds=True)}."
        )
    else:
        rule_disable(rule=found, by=user, at=at, note=note)
        messages.success(request, f"{rule_id} is off. What fires under it ends.")
    return redirect("rule", rule_id)


@login_required
@require_GET
def export(request: HttpRequest, rule_id: str) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """The YAML of the newest version, as a file."""
    newest = list(rule_or_404(rule_id).versions.all())[-1]
    return HttpResponse(
        newest.source,
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{rule_id}.yaml"'},
    )


def _save(request: HttpRequest, rule: Rule | None) -> HttpResponse:
    user = cast("User", request.user)
    require_change(user)
    source, base = source_of(request), request.POST.get("based_on", "")
    note = why_of(request)
    based_on = int(base) if base.isascii() and base.isdigit() and len(base) < 9 else 0
    try:
        version = rule_write(source=source, by=user, at=timezone.now(), rule=rule, note=note, based_on=based_on)
    except RuleProblems as error:
        if rule is None:
            return _new(request, source, error.problems)
        return render(request, "rules.html", _editor(request, rule, source, error.problems), status=400)
    if version.number == based_on:
        messages.info(request, f"Nothing changed: version {version.number} says the same.")
    else:
        messages.success(
            request, f"Version {version.number} counts from {clock_shown(version.active_from, seconds=True)}."
        )
    return redirect("rule", version.rule.rule_id)


def _new(request: HttpRequest, source: str, problems: tuple[Problem, ...] = ()) -> HttpResponse:
    user = cast("User", request.user)
    require_change(user)
    context = _editing(request) | {"source": source, "problems": problems, "next_number": 1}
    return render(request, "rules.html", context, status=400 if problems else 200)


def _list(request: HttpRequest) -> dict[str, Any]:
    user = cast("User", request.user)
    rows = rows_of(user=user, at=timezone.now())
    words = request.GET.get("q", "").replace("\x00", "").strip()[:64]
    shown: list[Row] = [row for row in rows if row.matches(words)]
    return {
        "page_title": "Rules",
        "groups": grouped(shown),
        "count": len(rows),
        "on": sum(row.rule.enabled for row in rows),
        "words": words,
        "may_change": user.has_perm(PERMISSION),
    }


def _editing(request: HttpRequest) -> dict[str, Any]:
    return _list(request) | choices(cast("User", request.user)) | fields() | {"editing": True}


def _editor(request: HttpRequest, rule: Rule, source: str, problems: tuple[Problem, ...]) -> dict[str, Any]:
    versions = list(rule.versions.all())
    newest = versions[-1]
    changes = {change.number: change for change in rule.changes.select_related("by").order_by("pk")}
    return _editing(request) | {
        "rule": rule,
        "says": (says := said_by(newest)),
        "is_technical": says is not None and says.rule_class == "technical",
        "newest": newest,
        "next_number": newest.number + 1,
        "source": source,
        "unsaved": source != newest.source,
        "problems": problems,
        "versions": [(version, _why(changes.get(version.number))) for version in reversed(versions)],
    }


def _why(change: RuleChange | None) -> str:
    if change is None:
        return ""
    words = {RuleChange.Action.ENABLE: "switched on", RuleChange.Action.DISABLE: "switched off"}
    said = words.get(RuleChange.Action(change.action), "")
    return ": ".join(part for part in (said, change.note) if part)


def _version(versions: list[RuleVersion], number: str | None) -> RuleVersion | None:
    if number is None:
        return None
    found = next((version for version in versions if str(version.number) == number), None)
    if found is None:
        raise Http404("There is no such version.")
    return found


def _other(versions: list[RuleVersion], compared: RuleVersion) -> RuleVersion:
    """What a version is compared with: the newest one, and that one with the one before it."""
    if compared.number != versions[-1].number:
        return versions[-1]
    return versions[-2]


def _number(version: RuleVersion) -> int:
    return version.number
