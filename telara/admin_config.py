"""Has Django use Telara's admin site."""

from django.contrib.admin.apps import AdminConfig


class TelaraAdminConfig(AdminConfig):
    default_site = "telara.admin_site.TelaraAdminSite"
