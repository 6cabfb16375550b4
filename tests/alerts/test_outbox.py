"""The outbox: one entry a revision, in the transaction of the change."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError

from alerts.models import Alert, OutboxEntry, Rule
from alerts.models.alert import CloseReason
from alerts.outbox import outbox_add
from alerts.services import triage
from alerts.services.rules import episodes_end_with_rules, rule_disable
from alerts.wire import alert_json
from tests.alerts.feeding import RACING, Feed, load, the_alert
from tests.made import NOON, make_alert, make_user, make_wearer


@pytest.mark.django_db
def test_it_holds_the_contracts_json_under_the_user_id() -> None:
    alert = make_alert(make_wearer())
    outbox_add([alert])
    entry = OutboxEntry.objects.get()
    assert (entry.alert_id, entry.revision, entry.key) == (alert.alert_id, 1, "user_001")
    assert entry.payload == alert_json(alert)
    assert entry.sent_at is None


@pytest.mark.django_db
def test_a_revision_is_told_once() -> None:
    alert = make_alert(make_wearer())
    outbox_add([alert])
    with pytest.raises(IntegrityError), transaction.atomic():
        outbox_add([alert])


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_outside_a_transaction() -> None:
    alert = make_alert(make_wearer())
    with pytest.raises(TransactionManagementError):
        outbox_add([alert])
    assert not OutboxEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_whoever_changes_an_alert_leaves_an_entry_of_each_revision() -> None:
    """But for silences, which `tests/ingestion/test_absence_alerts.py` follows."""
    load(RACING)
    feed, ann, at = Feed(), make_user("ann"), NOON + timedelta(seconds=3)
    feed.send(*((second, 120) for second in range(3)))
    alert, until = the_alert(), at + timedelta(minutes=5)
    triage.alert_acknowledge(alert=alert, by=ann, at=at)
    triage.alert_comment(alert=alert, by=ann, at=at, note="looked")
    triage.alert_snooze(alert=alert, by=ann, at=at, until=until)
    assert triage.snoozes_end(at=until) == 1
    closed = triage.alert_close(alert=alert, by=ann, at=at, reason=CloseReason.BENIGN)
    triage.alert_undo(alert=alert, by=ann, at=at, revision=closed.revision)
    triage.alert_reopen(alert=alert, by=ann, at=at)
    feed.send((5, 130))
    feed.sweep(1200)
    feed.send((6, 130), now=1201)
    rule_disable(rule=Rule.objects.get(), by=ann, at=at)
    assert len(episodes_end_with_rules(at=at + timedelta(minutes=1))) == 1
    (last,) = Alert.objects.values_list("revision", flat=True)
    entries = list(OutboxEntry.objects.order_by("pk").values_list("revision", flat=True))
    assert last == 12
    assert entries == list(range(1, last + 1))
