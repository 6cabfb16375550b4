"""Who calls the API: `Authorization: Token ...`, a person's or a device's."""

from typing import TYPE_CHECKING, cast

from django.utils import timezone
from rest_framework import status
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission

from devices.account.second_factor import NEEDED, lacks_second_factor
from devices.models import ApiToken, Device, User
from devices.tokens import device_find, token_find

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class TokenAuthentication(BaseAuthentication):
    """`request.user` is the person, or the wearer of the device; `request.auth` the ApiToken or the Device."""

    keyword = "Token"

    def authenticate(self, request: "Request") -> tuple[User, ApiToken | Device] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword.lower().encode():
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("The header reads: Authorization: Token SECRET.")
        secret = parts[1].decode("latin-1")
        if token := token_find(secret=secret, at=timezone.now()):
            if lacks_second_factor(user=token.user):
                from devices.errors import ApiError  # which imports the views that import this

                raise ApiError(status.HTTP_403_FORBIDDEN, "second_factor_required", NEEDED)
            return token.user, token
        if device := device_find(secret=secret):
            return device.user, device
        raise AuthenticationFailed("The token is unknown, expired or revoked.")

    def authenticate_header(self, request: "Request") -> str:  # noqa: ARG002  # DRF's signature
        return self.keyword


class IsPerson(BasePermission):
    """Somebody signed in, not a device: what a device's token may do is named where it may."""

    message = "A device's token may only send readings."

    def has_permission(self, request: "Request", view: "APIView") -> bool:  # noqa: ARG002  # DRF's signature
        return bool(request.user and request.user.is_authenticated) and not isinstance(request.auth, Device)


class IsPersonOrDevice(BasePermission):
    """Somebody signed in, or a device: for sending readings."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:  # noqa: ARG002  # DRF's signature
        return bool(request.user and request.user.is_authenticated)


def person(request: "Request") -> User:
    """The person of a request that a permission let through."""
    return cast("User", request.user)
