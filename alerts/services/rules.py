"""Rules: new versions, enabling, disabling. A version covers the rows received in [active_from, active_until).

Consumers read the rules every few seconds. So that all of them know a version before it counts, it begins
`TAKES_EFFECT` after it is saved where a consumer lives, at once where none does. Two versions saved in quick succession
keep their order: the later begins no sooner than the earlier, which then covers what lies between, perhaps nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet

from alerts.announce import announce_on_commit
from alerts.audit import audit_add, change_of
from alerts.engine.rule import AnyRule
from alerts.models import Alert, Rule, RuleChange, RuleVersion
from alerts.models.alert import End, EpisodeState
from alerts.outbox import outbox_add
from alerts.rule_files import Problem, RuleFile, parse_rule
from devices.failpoints import reach
from devices.models import PipelineStatus, User, Verb
from devices.rights.audit import audit_note

TAKES_EFFECT: Final = timedelta(seconds=10)
CONSUMER_GONE: Final = timedelta(seconds=10)  # since its status row was last written


_VERBS: Final = {
    RuleChange.Action.NEW_VERSION: Verb.RULE_WRITTEN,
    RuleChange.Action.ENABLE: Verb.RULE_ENABLED,
    RuleChange.Action.DISABLE: Verb.RULE_DISABLED,
}


class RuleProblems(Exception):  # noqa: N818  # a plural: it carries every problem of a text
    """The text is no rule; `problems` says where and why."""

    def __init__(self, problems: Collection[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading did, by rule id, and from when on it holds."""

    made: tuple[str, ...]
    unchanged: tuple[str, ...]
    disabled: tuple[str, ...]
    active_at: datetime


@dataclass(frozen=True, slots=True)
class _Author:
    """Who changes rules, when, from when on it holds, and why."""

    by: User | None
    at: datetime
    effective_at: datetime
    note: str = ""


def effective_at(*, at: datetime) -> datetime:
    """From when on a change of rules saved at `at` holds."""
    lives = PipelineStatus.objects.filter(updated_at__gt=at - CONSUMER_GONE).exists()
    return at + TAKES_EFFECT if lives else at


def rules_load(
    *, files: Sequence[RuleFile], at: datetime, only: bool = False, keep_disabled: bool = False, by: User | None = None
) -> Loaded:
    """Make a version of every rule that says something new, enable the others; all or none.

    `only` disables every other rule; with `keep_disabled` a rule that somebody disabled stays so.
    """
    with transaction.atomic():
        author = _Author(by, at, effective_at(at=at), "load_rules")
        made: list[str] = []
        unchanged: list[str] = []
        for file in sorted(files, key=lambda file: file.rule.id):
            rule = _locked(file.rule.id)
            kept = keep_disabled and _disabled(rule)
            version = None if kept else _say(rule, file.source, author)
            (made if version else unchanged).append(file.rule.id)
        others = Rule.objects.exclude(rule_id__in=[*made, *unchanged]).filter(enabled=True)
        disabled = [rule.rule_id for rule in _in_order(others) if _stop(rule, author)] if only else []
        starts = _last_start([*made, *unchanged]) or at
        active_at = max(starts, author.effective_at) if disabled else max(starts, at)
        return Loaded(tuple(made), tuple(unchanged), tuple(disabled), active_at)


def rule_problems(*, source: str, rule: Rule | None = None, based_on: int | None = None) -> tuple[Problem, ...]:
    """What keeps `source` from being a version of `rule`, or a new rule; empty where nothing does."""
    parsed, problems = _read(source, rule)
    return problems if parsed is None else _overtaken(parsed.id, based_on)


def rule_write(  # noqa: PLR0913  # who, when, why, and over what
    *, source: str, by: User | None, at: datetime, rule: Rule | None = None, note: str = "", based_on: int | None = None
) -> RuleVersion:
    """A new version of `rule`, or a new rule, from YAML; the present version where it says the same, on or off.

    Raises RuleProblems where the text is no rule, or names another one, or where the newest version is another than
    `based_on`: 0 for a rule that is to be new.
    """
    parsed, problems = _read(source, rule)
    if parsed is None:
        raise RuleProblems(problems)
    with transaction.atomic():
        locked = _locked(parsed.id)
        if overtaken := _overtaken(parsed.id, based_on):
            raise RuleProblems(overtaken)
        last = locked.versions.order_by("-number").first()
        if last is not None and _same(last.source, source):
            return last
        return _say(locked, source, _Author(by, at, effective_at(at=at), note)) or locked.versions.latest("number")


def rule_enable(*, rule: Rule, by: User | None, at: datetime, note: str = "") -> RuleVersion:
    """The last wording of `rule` counts again, as a new version; where it is enabled, that one."""
    with transaction.atomic():
        locked = _locked(rule.rule_id)
        last = locked.versions.latest("number")
        return _say(locked, last.source, _Author(by, at, effective_at(at=at), note)) or last


def rule_disable(*, rule: Rule, by: User | None, at: datetime, note: str = "") -> bool:
    """`rule` counts no more; whether it did."""
    with transaction.atomic():
        return _stop(_locked(rule.rule_id), _Author(by, at, effective_at(at=at), note))


def episodes_end_with_rules(*, at: datetime, limit: int = 500) -> list[Alert]:
    """End the firing episodes of versions that ended by `at`: as changed where the next version followed at once, else
    as disabled. At most `limit` of them, in order of id; gives those that ended now."""
    over = RuleVersion.objects.filter(rule=OuterRef("rule"), number=OuterRef("rule_version"), active_until__lte=at)
    firing = Alert.objects.filter(Exists(over), episode=EpisodeState.FIRING).order_by("alert_id")
    with transaction.atomic():
        locked = list(firing.select_for_update(of=("self",))[:limit])
        followed = _followed({alert.rule_id for alert in locked})
        changed = [alert.pk for alert in locked if (alert.rule_id, alert.rule_version) in followed]
        disabled = [alert.pk for alert in locked if (alert.rule_id, alert.rule_version) not in followed]
        ended = _end(changed, End.RULE_CHANGED, at) + _end(disabled, End.RULE_DISABLED, at)
        outbox_add(ended)
        announce_on_commit(ended)
        reach("rules_before_commit")
    reach("rules_after_commit")
    return ended


def _read(source: str, rule: Rule | None) -> tuple[AnyRule | None, tuple[Problem, ...]]:
    """The rule that `source` says, or why it cannot be a version of `rule`."""
    parsed = parse_rule(source)
    if parsed.rule is not None and rule is not None and parsed.rule.id != rule.rule_id:
        return None, (Problem("rule", 1, 1, f"the id is {rule.rule_id}, and a rule keeps its id"),)
    return parsed.rule, parsed.problems


def _overtaken(rule_id: str, based_on: int | None) -> tuple[Problem, ...]:
    """That the newest version is another than `based_on`, where it is; 0: there is none."""
    versions = RuleVersion.objects.filter(rule__rule_id=rule_id).select_related("made_by")
    last = versions.order_by("-number").first()
    if based_on is None or based_on == (last.number if last else 0):
        return ()
    who = f", saved by {last.made_by.username}" if last and last.made_by else ""
    said = (
        f"there is a version {last.number} of {rule_id} already{who}" if last else f"{rule_id} has no version any more"
    )
    return (Problem("rule", 1, 1, said),)


def _locked(rule_id: str) -> Rule:
    """The rule, made where it is missing, locked: its versions are made one after the other."""
    Rule.objects.get_or_create(rule_id=rule_id)
    return Rule.objects.select_for_update().get(rule_id=rule_id)


def _disabled(rule: Rule) -> bool:
    return not rule.enabled and rule.versions.exists()


def _say(rule: Rule, source: str, author: _Author) -> RuleVersion | None:
    """A version of a locked rule with this text; None where it is enabled and its present one says the same."""
    last = rule.versions.order_by("-number").first()
    if last is not None and last.active_until is None and _same(last.source, source):
        return None
    starts = author.effective_at
    if last is not None:
        starts = max(starts, last.active_until or last.active_from)
        _until(last, starts)
    action = RuleChange.Action.ENABLE if last and _same(last.source, source) else RuleChange.Action.NEW_VERSION
    version = RuleVersion.objects.create(
        rule=rule, number=last.number + 1 if last else 1, source=source, active_from=starts, made_by=author.by
    )
    Rule.objects.filter(pk=rule.pk).update(enabled=True)
    _note(version, action, starts, author)
    return version


def _stop(rule: Rule, author: _Author) -> bool:
    """Let the present version of a locked rule end; whether it had one."""
    Rule.objects.filter(pk=rule.pk).update(enabled=False)
    last = rule.versions.filter(active_until__isnull=True).first()
    if last is None:
        return False
    ends = max(author.effective_at, last.active_from)
    _until(last, ends)
    _note(last, RuleChange.Action.DISABLE, ends, author)
    return True


def _until(version: RuleVersion, ends: datetime) -> None:
    """Let `version` end, unless it already has an end."""
    if version.active_until is None:
        rows = RuleVersion.objects.filter(pk=version.pk, active_until__isnull=True)
        if rows.update(active_until=ends) != 1:
            raise RuntimeError("A version of a locked rule changed.")


def _note(version: RuleVersion, action: RuleChange.Action, effective: datetime, author: _Author) -> None:
    RuleChange.objects.create(
        rule_id=version.rule_id,
        number=version.number,
        action=action,
        at=author.at,
        effective_at=effective,
        by=author.by,
        note=author.note,
    )
    what = f"rule {version.rule.rule_id}, version {version.number}"
    audit_note(verb=_VERBS[action], what=what, by=author.by, at=author.at)


def _same(one: str, other: str) -> bool:
    """Whether two texts say the same rule; comments and layout do not count."""
    if one == other:
        return True
    first = parse_rule(one, judged=False).rule
    return first is not None and first == parse_rule(other, judged=False).rule


def _last_start(rule_ids: Collection[str]) -> datetime | None:
    versions = RuleVersion.objects.filter(rule__rule_id__in=rule_ids, active_until__isnull=True)
    start: datetime | None = versions.aggregate(last=Max("active_from"))["last"]
    return start


def _in_order(rules: QuerySet[Rule]) -> list[Rule]:
    return list(rules.select_for_update().order_by("rule_id"))


def _followed(rule_pks: Collection[int]) -> set[tuple[int, int]]:
    """Versions, as (rule, number), whose next version begins where they end."""
    versions = {(v.rule_id, v.number): v for v in RuleVersion.objects.filter(rule__in=rule_pks)}
    return {
        (rule, number)
        for (rule, number), version in versions.items()
        if (after := versions.get((rule, number + 1))) and after.active_from == version.active_until
    }


def _end(pks: Collection[UUID], end: End, at: datetime) -> list[Alert]:
    rows = Alert.objects.filter(pk__in=pks, episode=EpisodeState.FIRING)
    values = {"episode": EpisodeState.ENDED, "end": end, "provisional": False}
    if rows.update(**values, revision=F("revision") + 1, changed_at=at) != len(pks):
        raise RuntimeError("A locked alert changed.")
    ended = list(Alert.objects.filter(pk__in=pks).select_related("rule", "user").order_by("alert_id"))
    audit_add(
        change_of(alert, action="end", at=at, was=EpisodeState.FIRING, became=EpisodeState.ENDED, note=end)
        for alert in ended
    )
    return ended
