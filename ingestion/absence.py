"""Of whom is nothing heard? The one writer of the alerts of rules over absence, every few seconds.

Who is heard again is told by their readings alone. Who is silent is judged only while every partition is caught up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.db import connection, transaction

from alerts.absences import Absent, Firing, absences_end, absences_firing, absences_open, absences_tell
from alerts.engine import AbsenceRule
from alerts.engine.absence import Listened, Silence, silence
from alerts.models import OutboxEntry
from alerts.rule_versions import absence_rules
from devices.failpoints import reach
from devices.heard import Heard, heard_again, last_heard, silent_people
from devices.simulations import simulated_to_stop
from ingestion.stream.listening import listened

LOCK: Final = 0x7E1A_0003  # advisory lock: beat may fire twice, the second one leaves
AT_ONCE: Final = 1_000  # some seconds of work; the next step goes on
Found = tuple[int, AbsenceRule, Silence]


@dataclass(slots=True)
class Step:
    """What a step wrote to the outbox, and whether people could be judged."""

    outbox: list[OutboxEntry] = field(default_factory=list)
    is_judged: bool = False


def absences_step(*, topic: str, freshness: timedelta, at: datetime) -> Step:
    """End the alerts of those who were heard again, open those of people who are silent for too long.

    In one transaction, with the same few queries however many people there are; nothing where somebody else is at it.
    """
    with transaction.atomic():
        rules = absence_rules(at) if _is_mine() else []
        if not rules:
            return Step()
        firing = absences_firing(rules)
        again = heard_again([each.silent for each in firing], until=at)
        over = dict(islice(((each.alert_id, again[each.silent]) for each in firing if each.silent in again), AT_ONCE))
        step = Step(absences_end(over, at=at))
        firing = [each for each in firing if each.alert_id not in over]
        step.outbox += absences_tell(firing, rules, at=at)
        stretch = listened(topic, at=at)
        if stretch is not None:
            step.is_judged = True
            step.outbox += absences_open(_absent(rules, firing, stretch, freshness), at=at)
        reach("absence_before_commit")
    reach("absence_after_commit")
    return step


def _is_mine() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _absent(
    rules: Sequence[AbsenceRule], firing: Sequence[Firing], stretch: Listened, freshness: timedelta
) -> list[Absent]:
    """Who is silent for too long, by which rule, but for those whose alert fires: it goes on."""
    lengths = [rule.at_least for rule in rules]
    silent = silent_people(until=stretch.until, shortest=min(lengths), longest=max(lengths))
    told = {(each.user_id, each.rule.id) for each in firing}
    open_to = {person for person in silent if any((person, rule.id) not in told for rule in rules)}
    heard = last_heard(open_to, until=stretch.until, freshness=freshness)
    found = [each for each in _found(rules, heard, stretch) if (each[0], each[1].id) not in told]
    found = sorted(found, key=lambda each: (each[2].opened_at, each[0]))[:AT_ONCE]
    spans = {silent[person]: (said.heard_at, said.opened_at) for person, _, said in found}
    off = simulated_to_stop(spans)
    return [
        Absent(person, rule, said, is_cadence_set=heard[person].is_set, is_expected=silent[person] in off)
        for person, rule, said in found
    ]


def _found(rules: Iterable[AbsenceRule], heard: dict[int, Heard], stretch: Listened) -> Iterator[Found]:
    for rule in rules:
        for person, last in heard.items():
            said = silence(rule, heard_at=last.at, cadence=last.cadence, listened=stretch)
            if said is not None:
                yield person, rule, said
