"""The pipeline by API."""

from datetime import timedelta

import pytest
from django.utils import timezone

from devices.models import PipelineStatus, User
from ingestion.models import PartitionLedger, QuarantinedMessage

pytestmark = pytest.mark.django_db


def test_it_says_who_consumes_how_far_and_what_was_refused(call, stranger: User) -> None:
    now = timezone.now()
    for name, age in (("c1", 1), ("gone", 11)):
        at = now - timedelta(seconds=age)
        PipelineStatus.objects.create(consumer=name, updated_at=at, started_at=at, lag=5)
    PartitionLedger.objects.create(cluster_id="c", topic="biometrics-raw", partition=1, next_offset=42, owner="c1")
    for offset, age in ((1, 1), (2, 2), (3, 25)):
        QuarantinedMessage.objects.create(
            cluster_id="c", topic="t", partition=0, offset=offset, reason="wrong_type", payload=b"", size=0,
            received_at=now - timedelta(hours=age),
        )  # fmt: skip
    body = call(stranger).get("/api/v1/pipeline/").json()
    assert [(c["consumer"], c["lag"]) for c in body["consumers"]] == [("c1", 5)]
    assert [(p["partition"], p["next_offset"]) for p in body["partitions"]] == [(1, 42)]
    assert body["refused"] == {"wrong_type": 2}
