"""The pipeline's page: is data coming in, all of it, in time? And the inspector of what was refused."""

from typing import Any, Final, cast

from confluent_kafka import KafkaException
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from devices.background import ticked_at
from devices.erasures import erasures_failing
from devices.models import User
from ingestion.decode.verdicts import Code
from ingestion.page.answer import answer_of
from ingestion.page.inspector import (
    COUNTED_MOST,
    PAGE,
    BadQueryError,
    Query,
    counted,
    may_see_bytes,
    may_send_again,
    opened,
    page_of,
    read_query,
    topics_known,
)
from ingestion.page.readers import reading_at
from ingestion.page.sending_again import SentAgain, messages_send_again
from ingestion.page.throughput import SPANS, bars_of, delays_of, outcomes_of, plot_of, reasons_of
from ingestion.send.sending import web_producer

MINUTES: Final = SPANS[0]


@login_required
def pipeline(request: HttpRequest) -> HttpResponse:
    """GET /pipeline/; with htmx only the parts that change by themselves."""
    user = cast("User", request.user)
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    context = {"page_title": "Pipeline", **_figures(query), **_quarantine(query, user)}
    return render(request, "_pipeline_parts.html" if request.headers.get("HX-Request") else "pipeline.html", context)


def _figures(query: Query) -> dict[str, Any]:
    at = timezone.now()
    bars = bars_of(span=query.span, at=at)
    minutes = bars if query.span is MINUTES else bars_of(span=MINUTES, at=at)
    reading = reading_at(at)
    reasons = reasons_of(span=query.span, at=at)
    return {
        "answer": answer_of(reading, minutes, ticked_at=ticked_at(), at=at),
        "failing": erasures_failing(),
        "reading": reading,
        "last_minute": minutes[-2],
        "span": query.span,
        "spans": [(span, query.address(range="" if span is MINUTES else span.name)) for span in SPANS],
        "plot": plot_of(bars),
        "outcomes": outcomes_of(bars),
        "reasons": [(code, query.address(reason=code), count) for code, count in reasons],
        "most_refused": max((count for _, count in reasons), default=1),
        "delays": delays_of(span=query.span, at=at),
    }


def _quarantine(query: Query, user: User) -> dict[str, Any]:
    rows, next_page = page_of(query)
    count = counted(query)
    listed = [(row, row.message.pk == query.message) for row in rows]
    return {
        "query": query,
        "rows": [(row, is_open, query.opened(None if is_open else row.message.pk)) for row, is_open in listed],
        "is_elsewhere": not any(is_open for _, is_open in listed),
        "here": f"{reverse('pipeline')}{query.opened(query.message)}#quarantine",
        "next_page": next_page,
        "kept": f"{COUNTED_MOST - 1:,}+" if count == COUNTED_MOST else f"{count:,}",
        "opened": opened(pk=query.message, user=user, at=timezone.now()) if query.message else None,
        "codes": list(Code),
        "topics": topics_known(),
        "may_see_bytes": may_see_bytes(user),
        "may_send_again": may_send_again(user),
    }


@require_POST
@login_required
@permission_required("ingestion.send_again", raise_exception=True)
def send_again(request: HttpRequest) -> HttpResponse:
    """POST /pipeline/again/ with the ids of up to a page of messages (`message`), then back to where it was asked."""
    chosen = request.POST.getlist("message")
    if len(chosen) > PAGE or not all(each.isascii() and each.isdigit() and len(each) < 19 for each in chosen):
        return HttpResponse(f"Up to {PAGE} messages by their numbers, please.", status=400)
    if chosen:
        _send(request, {int(each) for each in chosen})
    else:
        messages.warning(request, "No message was chosen: tick those to send again.")
    back = request.POST.get("next", "")
    here = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return HttpResponseRedirect(back if here else f"{reverse('pipeline')}#quarantine")


def _send(request: HttpRequest, pks: set[int]) -> None:
    by = cast("User", request.user)
    try:
        done = messages_send_again(pks=pks, by=by, at=timezone.now(), producer=web_producer())
    except KafkaException:
        done = SentAgain(0, 0, len(pks))
    if done.sent:
        messages.success(request, f"{_messages(done.sent)} sent again: each is judged anew, and its row says how.")
    if done.refused:
        messages.warning(request, f"{_messages(done.refused)} not sent: each row says why.")
    if done.untaken:
        messages.warning(request, f"{_messages(done.untaken)} not taken by the broker. Try again in a moment.")


def _messages(count: int) -> str:
    return "1 message was" if count == 1 else f"{count} messages were"
