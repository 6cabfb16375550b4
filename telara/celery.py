"""The Celery application: what runs by the clock."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telara.settings")

app = Celery("telara")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
