"""The outbox: one entry a revision, in the transaction of the change."""

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError

from alerts.models import OutboxEntry
from alerts.outbox import outbox_add
from alerts.wire import alert_json
from tests.made import make_alert, make_wearer


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
