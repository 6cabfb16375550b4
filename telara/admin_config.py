"""Has Django use Telara's admin site."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_dependencies
from django.core import checks


class TelaraAdminConfig(SimpleAdminConfig):
    """The pages of the apps are loaded with the addresses: a fifth of what a stream worker takes to start."""

    default_site = "telara.admin_site.TelaraAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


def admin_load() -> None:
    """Load the pages of all apps; again, it does nothing.

    What allauth keeps of people's sign-ins is theirs alone: it is in nobody's admin.
    """
    admin.autodiscover()
    for model in [each for each in admin.site._registry if each._meta.app_config.name.startswith("allauth.")]:
        admin.site.unregister(model)


def _check_pages(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    admin_load()
    return list(admin.site.check(app_configs))
