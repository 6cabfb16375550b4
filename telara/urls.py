"""Every address of the site, in one place."""

from django.contrib import admin
from django.urls import path

from telara import health, metrics

urlpatterns = [
    path("health", health.everything, name="health"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
