"""`manage.py forget_second_factor USER_ID`: for whoever lost theirs, where nobody can do it in the admin."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from devices.account.second_factor import factors_take_away
from devices.account.sessions import sessions_end
from devices.models import User, named


class Command(BaseCommand):
    help = "Take a person's authenticator app, passkeys and recovery codes away, and sign them out everywhere."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        user = User.objects.filter(named(options["user_id"])).first()
        if user is None:
            raise CommandError(f"There is nobody of the name {options['user_id']}.")
        if not factors_take_away(user=user):
            raise CommandError(f"{user} has no second factor.")
        sessions_end(user=user)
        self.stdout.write(f"{user} signs in by password alone now, and is signed out everywhere.")
