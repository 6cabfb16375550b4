"""What befalls the pipeline itself becomes one alert, which ends when it is over, and is nobody's."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from alerts.models import Alert, AlertChange, Channel, Delivery, Incident, Notice, OutboxEntry, Route, Rule
from alerts.outbox import PIPELINE_KEY
from alerts.rule_files import RuleFile, parse_rule
from alerts.services.rules import episodes_end_with_rules, rule_disable, rules_load
from alerts.services.triage import alert_acknowledge
from devices import live
from devices.models import User
from ingestion.mishaps import mishap_note, mishaps_step
from ingestion.models import Mishap
from tests.made import make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GAP = "offset-gap"  # 10 minutes
STORM = "reject-storm"  # 1 minute


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def load(*names: str, when: datetime = NOON - timedelta(days=1), severity: str = "") -> None:
    files = []
    for name in names:
        source = Path(f"alerts/rules/{name}.yaml").read_text()
        source = source.replace("severity: HIGH", severity or "severity: HIGH")
        parsed = parse_rule(source)
        assert parsed.rule is not None
        files.append(RuleFile(parsed.rule, source, name))
    rules_load(files=files, at=when)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, dict[str, Any]]]:
    found: list[Any] = []
    monkeypatch.setattr(live, "announce", lambda *, vitals, alerts: found.extend(alerts))
    return found


@pytest.fixture(autouse=True)
def rules() -> None:
    load(GAP, STORM)


def lost(minute: float, text: str = "5 messages of raw[0] were gone.") -> None:
    mishap_note(event="offset_gap", at=at(minute), text=text)


def test_the_first_one_opens_an_alert_that_is_nobodys(told: list[Any]) -> None:
    lost(0)
    (entry,) = mishaps_step(at=at(0))
    alert = Alert.objects.select_related("rule").get()
    assert (alert.user, alert.whose, alert.rule.rule_id, alert.alert_class) == (None, "Pipeline", GAP, "technical")
    assert (alert.episode, alert.started_at, alert.opened_at, alert.ended_at) == ("firing", at(0), at(0), at(0))
    assert (alert.description, alert.event_count, alert.quiet) == ("5 messages of raw[0] were gone.", 1, False)
    assert (entry.key, entry.payload["user_id"], entry.payload["alert_type"]) == (PIPELINE_KEY, None, "OFFSET_GAP")
    assert [(user, news["alert_id"]) for user, news in told] == [(None, str(alert.pk))]
    assert not Mishap.objects.exists()


def test_what_comes_within_the_gap_goes_on_with_it_and_it_ends_when_nothing_does() -> None:
    lost(0)
    mishaps_step(at=at(0))
    lost(5, "7 messages of raw[1] were gone.")
    lost(6, "9 messages of raw[2] were gone.")
    assert [entry.revision for entry in mishaps_step(at=at(6))] == [2]
    alert = Alert.objects.get()
    assert (alert.event_count, alert.ended_at, alert.episode) == (3, at(6), "firing")
    assert alert.description == "9 messages of raw[2] were gone. 3 times since 12:00:00."
    assert [each["text"][0] for each in alert.evidence["mishaps"]["first"]] == ["5", "7", "9"]
    assert mishaps_step(at=at(16)) == []
    (entry,) = mishaps_step(at=at(16.1))
    alert.refresh_from_db()
    assert (alert.episode, alert.end, alert.settled_at, entry.revision) == ("ended", "gap", at(16), 3)
    assert list(AlertChange.objects.order_by("revision").values_list("action", flat=True)) == [
        "opened", "updated", "ended"
    ]  # fmt: skip


def test_each_rule_has_its_own_and_what_no_rule_asks_for_is_forgotten() -> None:
    lost(0)
    mishap_note(event="reject_storm", at=at(0), text="60 of 100 messages were refused.")
    mishap_note(event="split_person", at=at(0), text="ann came by partition 1 of raw, before by 0.")
    mishaps_step(at=at(0))
    assert sorted(Alert.objects.values_list("alert_type", flat=True)) == ["OFFSET_GAP", "REJECT_STORM"]
    assert not Mishap.objects.exists()


def test_what_was_noted_while_nobody_looked_is_split_where_it_was_over() -> None:
    """The worker was away: two storms, five minutes apart, and both are over."""
    for minute in (0, 0.5, 1, 7, 7.5):
        mishap_note(event="reject_storm", at=at(minute), text="60 of 100 messages were refused.")
    mishaps_step(at=at(60))
    found = Alert.objects.order_by("started_at").values_list("episode", "started_at", "ended_at", "event_count")
    assert list(found) == [("ended", at(0), at(1), 3), ("ended", at(7), at(7.5), 2)]


def test_another_one_within_the_cooldown_is_quiet_until_it_outlasts_it() -> None:
    mishap_note(event="reject_storm", at=at(0), text="One.")
    mishaps_step(at=at(0))
    mishap_note(event="reject_storm", at=at(3), text="Two.")
    mishaps_step(at=at(3))
    second = Alert.objects.get(started_at=at(3))
    assert (second.quiet, second.quiet_reason) == (True, "cooldown")
    for minute in (3.9, 4.8, 5.7):
        mishap_note(event="reject_storm", at=at(minute), text="Three.")
    mishaps_step(at=at(5.7))
    second.refresh_from_db()
    assert (second.quiet, second.loud_at) == (False, at(5.7))


def test_a_second_run_at_once_leaves_and_one_alert_fires() -> None:
    lost(0)

    def step() -> None:
        mishaps_step(at=at(0))
        connections.close_all()

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    mishaps_step(at=at(0))
    assert (Alert.objects.count(), OutboxEntry.objects.count()) == (1, 1)


def test_the_database_holds_one_firing_alert_of_a_rule_that_is_nobodys() -> None:
    rule = make_rule(GAP)
    make_alert(make_wearer(), rule=rule)
    make_alert(None, rule=rule)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_alert(None, rule=rule, started_at=at(1), opened_at=at(1), ended_at=at(1))


def test_it_ends_with_its_rule_and_the_next_wording_begins_anew() -> None:
    lost(0)
    mishaps_step(at=at(0))
    load(GAP, when=at(1), severity="severity: LOW")
    lost(2)
    mishaps_step(at=at(2))
    found = Alert.objects.order_by("started_at").values_list("episode", "end", "severity")
    assert list(found) == [("ended", "rule_changed", "HIGH"), ("firing", None, "LOW")]
    rule_disable(rule=Rule.objects.get(rule_id=GAP), by=None, at=at(3))
    assert len(episodes_end_with_rules(at=at(4))) == 1
    lost(5)
    mishaps_step(at=at(5))
    assert Alert.objects.count() == 2


def test_people_who_may_see_everyone_see_it_and_decide_about_it() -> None:
    lost(0)
    mishaps_step(at=at(0))
    lead, analyst = make_user("lead", "view_all_wearers"), make_user("analyst", watches=(make_wearer(),))
    assert [alert.whose for alert in Alert.objects.visible_to(lead)] == ["Pipeline"]
    assert not Alert.objects.visible_to(analyst).exists()
    alert_acknowledge(alert=Alert.objects.get(), by=lead, at=at(1))
    lost(2)
    mishaps_step(at=at(2))
    alert = Alert.objects.get()
    assert (alert.triage, alert.revision, alert.event_count) == ("acknowledged", 3, 2)


def failed(person: User | None, minute: float, *, kind: str = "start", note: str = "It answered with 500.") -> None:
    owner, _ = User.objects.get_or_create(username="bob")
    channel, _ = Channel.objects.get_or_create(owner=owner, name="phone", kind="webhook")
    route, _ = Route.objects.get_or_create(owner=owner, channel=channel)
    incident = Incident.objects.create(
        user=person, alert_class="technical", state="open", severity="HIGH", loud=True, started_at=at(minute),
        noticed_at=at(minute), changed_at=at(minute),
    )  # fmt: skip
    notice = Notice.objects.create(route=route, incident=incident, since=at(minute))
    Delivery.objects.create(
        channel=channel, notice=None if kind == "test" else notice, kind=kind, state="failed", note=note,
        made_at=at(minute), done_at=at(minute),
    )  # fmt: skip


def test_messages_that_reached_nobody_raise_an_alert_once() -> None:
    load("undelivered")
    person = make_wearer()
    failed(person, 0)
    failed(person, 1, note="It did not answer.")
    mishaps_step(at=at(2))
    (alert,) = Alert.objects.all()
    assert (alert.alert_type, alert.user, alert.event_count) == ("UNDELIVERED", None, 2)
    assert alert.description == "2 messages reached nobody, the last by a webhook: It did not answer."
    assert "bob" not in alert.description + str(alert.evidence)
    assert mishaps_step(at=at(3)) == []


def test_no_alert_is_raised_for_a_test_or_for_a_message_about_the_pipeline() -> None:
    load("undelivered")
    failed(None, 0)
    failed(make_wearer(), 0, kind="test")
    assert mishaps_step(at=at(1)) == []
    assert not Delivery.objects.filter(noted=False).exists()
