"""Every address of the site, in one place."""

from django.contrib import admin
from django.urls import include, path

from telara import health, metrics
from telara.admin_config import admin_load

handler400 = "telara.errors.bad_request"
handler404 = "telara.errors.not_found"
handler500 = "telara.errors.server_error"

admin_load()
urlpatterns = [
    path("health", health.everything, name="health"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/", include("telara.api_urls")),
    path("admin/", admin.site.urls),
    path("", include("ingestion.urls")),
    path("", include("dashboard.urls")),
]
