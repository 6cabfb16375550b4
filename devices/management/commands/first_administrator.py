"""`manage.py first_administrator`: the way into a new installation."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils import timezone

from devices.rights.invitations import LONGEST, first_administrator_invite


class Command(BaseCommand):
    help = (
        "Where nobody is administrator, prints a link by which somebody becomes it, once. There is no default password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hours", type=int, default=24, help="how long the link holds (24; at most 720)")
        parser.add_argument("--url", default="", help="how the site is reached, where TELARA_URL does not say it")

    def handle(self, *, hours: int, url: str, **_options: Any) -> None:
        """Say that there is an administrator, or print a link; the one that it printed before holds no more either way.

        Raises CommandError for hours that no link holds.
        """
        if not 1 <= hours <= LONGEST // timedelta(hours=1):
            raise CommandError("--hours is from 1 to 720.")
        made = first_administrator_invite(at=timezone.now(), lifetime=timedelta(hours=hours))
        if made is None:
            self.stdout.write("There is an administrator already: they invite the others, on the page People.")
            return
        base = (settings.TELARA_URL or url or f"http://localhost:{settings.PORT}").rstrip("/")
        self.stdout.write("Nobody is administrator yet. Whoever opens this link first becomes it:")
        self.stdout.write(f"\n  {base}{reverse('invitation', args=[made.secret])}\n")
        if settings.SESSION_COOKIE_SECURE and base.startswith("http://"):
            self.stdout.write("Cookies go over https alone here: set TELARA_URL to https://..., and run this again.")
        self.stdout.write(f"It holds for {hours} hours and once. Run this again for another one.")
