"""What django-allauth asks of Telara: its stages of signing in, models and codes are used, its pages are not."""

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url

from devices import sealing
from devices.models import User

_SALT: Final = "devices.account.second_factor"
_PURPOSE: Final = "second factor"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # it ships no types
    """Signing in has one more stage, the second factor; nobody signs themselves up; messages are the pages' own."""

    def get_login_stages(self) -> list[str]:
        return ["allauth.mfa.stages.AuthenticateStage"]

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """None: they would be read on whichever page comes next."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:  # noqa: ARG002
        """Goes on: whoever comes here was found active by Django's own form, or has just been made."""
        return None

    def post_login(
        self,
        request: HttpRequest,  # noqa: ARG002  # allauth's signature
        user: User,  # noqa: ARG002
        *,
        redirect_url: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> HttpResponse:
        return HttpResponseRedirect(redirect_url or resolve_url("overview"))


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # it ships no types
    """Secrets are sealed before they are stored."""

    def encrypt(self, text: str) -> str:
        return sealing.seal(text, salt=_SALT, purpose=_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises UnreadableError."""
        return sealing.unseal(encrypted_text, salt=_SALT, purpose=_PURPOSE)

    def get_totp_label(self, user: User) -> str:
        return user.username

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        return entity | {"name": user.username, "display_name": user.shown_name}
