"""The Celery application: what runs by the clock."""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telara.settings")

app = Celery("telara")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def every(seconds: float, task: str) -> dict[str, Any]:
    """A task by its name; one that waited for longer than its turn is dropped, the next decides the same by rows."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app.conf.beat_schedule = {
    "simulations": every(1, "ingestion.tasks.step_simulations"),
    "snoozes": every(2, "alerts.tasks.end_snoozes"),
    "rules": every(2, "alerts.tasks.end_episodes_with_rules"),
    "notifications": every(2, "alerts.tasks.tell"),
    "absences": every(5, "ingestion.tasks.watch_absences"),
    "pipeline": every(5, "ingestion.tasks.watch_pipeline"),
    "outbox": every(5, "ingestion.tasks.sweep_outbox"),
    "summaries": every(30, "alerts.tasks.make_summaries"),
    "partitions": every(3600, "devices.tasks.make_partitions_ahead"),
    "readings": every(3600, "devices.tasks.drop_old_readings"),
    "quarantine": every(3600, "ingestion.tasks.drop_old_quarantine"),
    "deliveries": every(3600, "alerts.tasks.forget_deliveries"),
    "erasures": every(10, "ingestion.tasks.carry_out_erasures"),
    "looks": {"task": "devices.tasks.drop_old_looks", "schedule": crontab(hour=3, minute=40)},
    "audit": {"task": "devices.tasks.drop_old_audit", "schedule": crontab(hour=3, minute=50)},
    # before the midnight they hold from, so that no reading is judged by an older set; thrice, should a turn be missed
    "baselines": {
        "task": "devices.tasks.make_baselines",
        "schedule": crontab(hour=23, minute="5,25,45"),
        "options": {"expires": 600},
    },
    "tokens": every(3600, "devices.tasks.drop_expired_tokens"),
    "mails": every(5, "devices.tasks.send_mails"),
    "old mails": every(3600, "devices.tasks.forget_mails"),
    "sessions": every(3600, "devices.tasks.forget_sessions"),
}
