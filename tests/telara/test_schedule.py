"""What runs by the clock."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from alerts.models import Alert
from alerts.services.triage import alert_snooze
from alerts.tasks import end_snoozes
from devices.models import MetricWindow
from devices.partitions import Partitions
from devices.tasks import drop_old_readings
from ingestion.models import PipelineMinute, QuarantinedMessage
from ingestion.tasks import drop_old_quarantine
from telara.celery import app
from telara.embedded.checkout import ROOT
from tests.made import NOON, make_alert, make_installation, make_user, make_wearer


def test_every_scheduled_task_is_there() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


ASK = """
from pathlib import Path
from telara.celery import app
app.loader.import_default_modules()
print([task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")])
"""


def test_a_worker_may_fork_once_it_has_imported_its_tasks() -> None:
    """A pool of polars' that began before would leave every child waiting for threads that it does not have."""
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=os.environ, capture_output=True, check=True)
    assert b"python" in asked.stdout
    assert b"polars-0" not in asked.stdout


@pytest.mark.django_db
def test_a_task_that_runs_twice_does_once() -> None:
    wearer = make_wearer()
    alert = make_alert(wearer)
    now = timezone.now()
    alert_snooze(alert=alert, by=make_user("ann"), at=now - timedelta(minutes=2), until=now - timedelta(minutes=1))
    end_snoozes()
    end_snoozes()
    assert (Alert.objects.get().triage, Alert.objects.get().revision) == ("new", 3)


@pytest.mark.django_db
def test_quarantine_is_kept_for_two_weeks() -> None:
    for days in (13, 15):
        QuarantinedMessage.objects.create(
            cluster_id="c", topic="t", partition=0, offset=days, reason="wrong_type", payload=b"", size=0,
            received_at=timezone.now() - timedelta(days=days),
        )  # fmt: skip
    drop_old_quarantine()
    assert [message.offset for message in QuarantinedMessage.objects.all()] == [13]


@pytest.mark.django_db
def test_what_consumers_did_in_each_minute_is_kept_for_a_week() -> None:
    for days in (6, 8):
        at = timezone.now() - timedelta(days=days)
        PipelineMinute.objects.create(minute=at, consumer="c", started_at=at, stored=days)
    drop_old_quarantine()
    assert [minute.stored for minute in PipelineMinute.objects.all()] == [6]


@pytest.mark.django_db(transaction=True)
def test_readings_are_kept_for_ever_unless_a_retention_is_set(settings) -> None:
    make_installation()
    partitions = Partitions(span="month")
    old = NOON.replace(year=2001)
    partitions.ensure([old])
    drop_old_readings()
    partitions.forget()
    assert partitions.ensure([old]) == []
    wearer = make_wearer()
    for ended_at in (old, NOON):
        MetricWindow.objects.create(
            user=wearer, size_s=60, every_s=60, ended_at=ended_at, received_at=NOON, is_fresh=True, flags=0, count=1
        )
    settings.TELARA_RETENTION_DAYS = 3650
    drop_old_readings()
    partitions.forget()
    assert partitions.ensure([old]) == ["devices_reading_y2001"]
    assert [window.ended_at for window in MetricWindow.objects.all()] == [NOON]
    drop_old_readings()
