"""Trying the text in the editor on what is stored, as one of those who may see it: asked for, watched, stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from alerts.backtest import no_history
from alerts.backtest_stored import LONGEST, MOST_READINGS, backtest_stored
from alerts.engine import Rule
from alerts.models import Summary
from alerts.rule_files import parse_rule
from alerts.rule_versions import UnreadableRuleError
from alerts.stored_history import Scope, TookTooLongError, TooMuchHistoryError
from dashboard.rules.access import source_of
from dashboard.rules.run import NotWantedError, Run, run_progress, run_stop
from dashboard.rules.tried import tried_of
from devices.models import Look, User
from devices.rights.looks import look_note
from devices.selectors import wearer_get

if TYPE_CHECKING:
    from alerts.backtest_stored import Outcome

SPANS: Final[Mapping[str, tuple[str, timedelta | None]]] = {
    "1": ("24 h", timedelta(days=1)),
    "7": ("7 days", timedelta(days=7)),
    "14": ("14 days", timedelta(days=14)),
    "30": ("30 days", timedelta(days=30)),
    "all": ("all", None),
}
DEFAULT_SPAN: Final = "7"
MOST_OFFERED: Final = 1_000
LONGEST_NAME: Final = 64
LESS: Final = "Choose fewer days, or one wearer."


class RefusedError(Exception):
    """It cannot be run as asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to try, on whom (what they are called, by key and by `user_id`), and over which time."""

    rule: Rule
    people: dict[int, str]
    names: dict[str, str]
    span: str
    since: datetime | None
    until: datetime
    run: str


def choices(user: User) -> dict[str, Any]:
    """What the page offers `user`: spans of time, and whom they may see."""
    people = User.objects.wearers_visible_to(user).order_by("username")
    offered = list(people.only("username", "display_name", "first_name", "last_name")[:MOST_OFFERED])
    return {
        "spans": [(name, label, name == DEFAULT_SPAN) for name, (label, _) in SPANS.items()],
        "offered": offered,
        "people": people.count() if len(offered) == MOST_OFFERED else len(offered),
    }


@login_required
@require_POST
def backtest(request: HttpRequest) -> HttpResponse:
    """POST `source`, `days` (1, 7, 14, 30, all), `wearer` (a user_id; empty: everyone one may see) and `run`, a name to
    ask by how far it is. The answer is a part of the page, also where it says why there is no result."""
    user, begun = cast("User", request.user), monotonic()
    try:
        asked = _asked(request, user)
        outcome = _run(asked, user)
    except RefusedError as refused:
        return render(request, "_rule_tried.html", {"refused": str(refused)})
    tried = tried_of(outcome, names=asked.names, since=asked.since, until=asked.until)
    context = {"tried": tried, "asked": asked, "span": SPANS[asked.span][0], "took_s": monotonic() - begun}
    return render(request, "_rule_tried.html", context)


@login_required
@require_GET
def progress(request: HttpRequest) -> JsonResponse:
    """GET ?run=NAME: {"share": 0.4, "person": 5, "people": 12}, or {} where there is nothing to say."""
    found = run_progress(owner=cast("User", request.user).pk, name=request.GET.get("run", "")[:LONGEST_NAME])
    return JsonResponse({"share": found.share, "person": found.person, "people": found.people} if found else {})


@login_required
@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """POST: one's own run ends soon."""
    run_stop(owner=cast("User", request.user).pk)
    return HttpResponse(status=204)


def _asked(request: HttpRequest, user: User) -> Asked:
    """Raises RefusedError."""
    parsed = parse_rule(source_of(request))
    if parsed.rule is None:
        first = parsed.problems[0]
        raise RefusedError(f"The text is no rule yet. Line {first.line}, column {first.column}: {first.message}")
    if not isinstance(parsed.rule, Rule):
        raise RefusedError(f"{no_history(parsed.rule).capitalize()}.")
    span = request.POST.get("days", "")
    if span not in SPANS:
        raise RefusedError(f"There is no such span; there are {', '.join(label for label, _ in SPANS.values())}.")
    people = _people(user, request.POST.get("wearer", "").strip())
    until = timezone.now()
    length = SPANS[span][1]
    return Asked(
        rule=parsed.rule,
        people={person.pk: person.username for person in people},
        names={person.username: person.shown_name for person in people},
        span=span,
        since=until - length if length else None,
        until=until,
        run=request.POST.get("run", "")[:LONGEST_NAME],
    )


def _people(user: User, user_id: str) -> list[User]:
    """Raises RefusedError where there is nobody; who may not be seen is told from nobody by nothing. Who asks for one
    person looks at them."""
    if not user_id:
        people = list(User.objects.wearers_visible_to(user))
        if not people:
            raise RefusedError("There is no wearer whom you may see, and so nothing to try it on.")
        return people
    try:
        wearer = wearer_get(user=user, user_id=user_id)
    except User.DoesNotExist:
        raise RefusedError(f"There is no wearer {user_id} among those whom you may see.") from None
    look_note(viewer=user, person_id=wearer.pk, way=Look.Way.PAGE, at=timezone.now())
    return [wearer]


def _known(asked: Asked) -> int:
    """How many readings there are at least, by the hours that are summed up: far too much is told at once."""
    hours = Summary.objects.filter(period=Summary.Period.HOUR, user__in=list(asked.people))
    if asked.since is not None:
        hours = hours.filter(start__gte=asked.since)
    return hours.aggregate(readings=Sum("readings"))["readings"] or 0


def _run(asked: Asked, user: User) -> "Outcome":
    """Raises RefusedError."""
    if (known := _known(asked)) > MOST_READINGS:
        raise RefusedError(f"That is {known:,} readings, and {MOST_READINGS:,} are the most. {LESS}")
    run = Run(owner=user.pk, name=asked.run, people=asked.people, since=asked.since, until=asked.until)
    run.begin()
    scope = Scope(asked.people, asked.since, asked.until, MOST_READINGS, LONGEST)
    try:
        return backtest_stored(rules=[asked.rule], scope=scope, watch=run.watch)
    except TooMuchHistoryError:
        raise RefusedError(f"That is more than {MOST_READINGS:,} readings. {LESS}") from None
    except TookTooLongError:
        raise RefusedError(f"It took longer than {LONGEST.seconds} s and was ended. {LESS}") from None
    except NotWantedError:
        raise RefusedError("Stopped.") from None
    except UnreadableRuleError as error:
        raise RefusedError(f"The present version cannot be read by this release, to compare with: {error}") from None
