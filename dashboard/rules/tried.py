"""What a backtest found, as the page says it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from alerts.backtest import Finding
from alerts.backtest_stored import Outcome, RuleSummary
from alerts.engine.source import COLUMNS
from dashboard.rules.timeline import Kind, Span, Timeline, timeline_of
from dashboard.series import RANGES
from devices.times import rfc3339

LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure of an episode in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """An episode of the list. `beside` says what the present version makes of it; empty where nothing is compared."""

    person: str
    name: str
    finding: Finding
    kind: Kind
    beside: str
    measures: list[Measured]
    href: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A backtest: whose history, of which stretch, and what was found; `lines` are the first LISTED of `found`."""

    outcome: Outcome
    since: datetime
    until: datetime
    lines: list[Line]
    found: int
    timeline: Timeline

    @property
    def summary(self) -> RuleSummary:
        return self.outcome.summaries[0]

    @property
    def only_found(self) -> int:
        """Episodes that no alert is there for."""
        return self.summary.episodes - len(self.summary.overlapping)

    @property
    def is_capped(self) -> bool:
        return self.found > LISTED


def tried_of(outcome: Outcome, *, names: Mapping[str, str], since: datetime | None, until: datetime) -> Tried:
    """`names` are what people are called, by `user_id`, of everyone that was asked for; without `since` it begins with
    the first reading."""
    (summary,) = outcome.summaries
    begun = since or outcome.seen.first or until - timedelta(days=1)
    found = sorted(_kinds(outcome, summary), key=_newest_first)
    spans = [_span(finding, kind, names, until) for finding, kind in found]
    return Tried(
        outcome=outcome,
        since=begun,
        until=until,
        lines=[_line(finding, kind, summary, names, until) for finding, kind in found[:LISTED]],
        found=len(found),
        timeline=timeline_of(spans, since=begun, until=until, alone=len(names) == 1),
    )


def _kinds(outcome: Outcome, summary: RuleSummary) -> Iterator[tuple[Finding, Kind]]:
    known = {id(finding) for finding in summary.overlapping}
    for finding in outcome.findings:
        yield finding, "known" if id(finding) in known else "new"
    for finding in summary.difference.only_old if summary.difference else ():
        yield finding, "lost"


def _newest_first(found: tuple[Finding, Kind]) -> tuple[float, str]:
    return -found[0].episode.started_at.timestamp(), found[0].user_id


def _span(finding: Finding, kind: Kind, names: Mapping[str, str], until: datetime) -> Span:
    episode = finding.episode
    person = finding.user_id
    return Span(person, names[person], episode.started_at, episode.ended_at, kind, wearer_at(finding, until))


def _line(finding: Finding, kind: Kind, summary: RuleSummary, names: Mapping[str, str], until: datetime) -> Line:
    return Line(
        person=finding.user_id,
        name=names[finding.user_id],
        finding=finding,
        kind=kind,
        beside=_beside(finding, kind, summary),
        measures=[_measured(name, each.avg, each.low, each.high) for name, each in finding.episode.measures.items()],
        href=wearer_at(finding, until),
    )


def _beside(finding: Finding, kind: Kind, summary: RuleSummary) -> str:
    if summary.difference is None:
        return ""
    if kind == "lost":
        return f"only version {summary.present_version}"
    shared = any(finding is each for each in summary.difference.both)
    return "both" if shared else "only this text"


def _measured(name: str, average: float, low: float, high: float) -> Measured:
    """`Heart rate 118 (108 to 126) bpm`."""
    column = COLUMNS[name]
    unit = f" {column.shown}" if column.shown else ""
    middle, least, most = (f"{value:.{column.decimals}f}" for value in (average, low, high))
    return Measured(column.label, f"{middle}{unit}" if least == most else f"{middle} ({least} to {most}){unit}")


def wearer_at(finding: Finding, until: datetime) -> str:
    """The wearer's page with the episode in the middle of the shortest range that holds it twice."""
    episode = finding.episode
    length = episode.ended_at - episode.started_at
    shown = next((each for each in RANGES[2:] if each.length >= 2 * length), RANGES[-1])
    end = min(until, episode.ended_at + (shown.length - length) / 2)
    where = urlencode({"range": shown.name, "until": rfc3339(end)})
    return f"{reverse('wearer', args=[finding.user_id])}?{where}"
