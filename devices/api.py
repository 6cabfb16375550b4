"""The API of people, devices and keys."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import openapi  # noqa: F401  # registers what it knows of tokens
from devices.account.attempts import WAIT_S, attempt_failed, attempts_forget, attempts_left
from devices.account.confirmed import is_confirmed
from devices.account.second_factor import factors_hold
from devices.addresses import caller_address
from devices.authentication import person
from devices.code_api import second_factor_ask
from devices.errors import ApiError
from devices.models import ApiToken, Device, Look, MetricWindow, User, named
from devices.paging import KeysetPagination
from devices.rights.looks import look_note
from devices.selectors import devices_visible, wearer_get, wearers_visible, windows_of
from devices.serializers import (
    Credentials,
    DeviceChange,
    DeviceQuery,
    DeviceSerializer,
    DeviceToken,
    InUnits,
    NewDevice,
    TokenAnswer,
    UnitsQuery,
    WearerDetailSerializer,
    WearerQuery,
    WearerSerializer,
    WindowQuery,
    WindowSerializer,
    units_of,
)
from devices.services import DeviceExistsError, device_add, device_cadence, may_manage
from devices.times import rfc3339
from devices.tokens import device_token_make, device_token_revoke, token_make, token_revoke

UNCONFIRMED = "Show first that it is you: sign in anew, or make the token on the settings page."

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


def wearer_looked_at(*, user: User, user_id: str) -> User:
    """`wearer_or_404`, and a note for that person that `user` looked."""
    wearer = wearer_or_404(user=user, user_id=user_id)
    look_note(viewer=user, person_id=wearer.pk, way=Look.Way.API, at=timezone.now())
    return wearer


def wearer_or_404(*, user: User, user_id: str) -> User:
    """The person with that user_id whom `user` may see; NotFound for all others, so that nobody learns who is there."""
    try:
        return wearer_get(user=user, user_id=user_id)
    except User.DoesNotExist:
        raise NotFound("There is no such wearer, or you may not see them.") from None


class TokenView(APIView):
    """Sign in for a token. Without the `code` of a second factor that there is, the error's code is
    `second_factor_needed`; with a wrong one `wrong_code`."""

    authentication_classes = ()
    permission_classes = ()
    throttle_scope = "login"

    @extend_schema(request=Credentials, responses=TokenAnswer, tags=["auth"])
    def post(self, request: "Request") -> Response:
        given = Credentials(data=request.data)
        given.is_valid(raise_exception=True)
        who = {"username": given.validated_data["username"], "address": caller_address(request._request)}
        if not attempts_left(**who):
            raise ApiError(status.HTTP_429_TOO_MANY_REQUESTS, "throttled", "Too many tries.", retry_after=WAIT_S)
        code = given.validated_data.pop("code", "")
        user = authenticate(request, **given.validated_data)
        if not isinstance(user, User):
            attempt_failed(**who)
            raise ApiError(status.HTTP_401_UNAUTHORIZED, "wrong_credentials", "User id or password is wrong.")
        was_asked = second_factor_ask(user=user, code=code)
        attempts_forget(**who)
        with transaction.atomic():
            factors_hold(user=user)
            if not was_asked:  # once more, should the first one have come in between
                second_factor_ask(user=user, code="")
            made = token_make(user=user, at=timezone.now(), lifetime=settings.TELARA_TOKEN_LIFETIME)
        return Response({"token": made.secret, "expires_at": rfc3339(made.token.expires_at)})


class TokenRevokeView(APIView):
    """Sign out."""

    @extend_schema(request=None, responses={204: None}, tags=["auth"])
    def post(self, request: "Request") -> Response:
        """The token that this request came with holds no more, and its sockets close."""
        if not isinstance(request.auth, ApiToken):
            raise ApiError(status.HTTP_400_BAD_REQUEST, "invalid", "This request came with no token.")
        token_revoke(token=request.auth)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WearerList(generics.ListAPIView[User]):
    """The wearers you may see, by user id."""

    serializer_class = WearerSerializer
    pagination_class = KeysetPagination
    keyset = ("username",)

    @extend_schema(parameters=[WearerQuery], tags=["wearers"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[User]":
        wanted = WearerQuery(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        return wearers_visible(user=person(self.request), **wanted.validated_data)


class WearerView(APIView):
    """One wearer, with the latest value of each metric."""

    @extend_schema(parameters=[UnitsQuery], responses=WearerDetailSerializer, tags=["wearers"])
    def get(self, request: "Request", user_id: str) -> Response:
        wearer = wearers_visible(user=person(request)).filter(named(user_id)).first()
        if wearer is None:
            raise NotFound("There is no such wearer, or you may not see them.")
        look_note(viewer=person(request), person_id=wearer.pk, way=Look.Way.API, at=timezone.now())
        return Response(WearerDetailSerializer(wearer, context={"units": units_of(request)}).data)


class DeviceList(generics.ListAPIView[Device]):
    """The devices of the people you may see."""

    serializer_class = DeviceSerializer
    pagination_class = KeysetPagination
    keyset = ("pk",)

    @extend_schema(parameters=[DeviceQuery], tags=["devices"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Device]":
        wanted = DeviceQuery(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        devices = devices_visible(user=person(self.request))
        user_id = wanted.validated_data.get("user_id")
        return devices.filter(user__username=user_id) if user_id else devices

    @extend_schema(request=NewDevice, responses={201: DeviceSerializer}, tags=["devices"])
    def post(self, request: "Request") -> Response:
        """Add a device: your own, or with the permission anybody's whom you may see."""
        given = NewDevice(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        caller = person(request)
        wearer = wearer_or_404(user=caller, user_id=values.pop("user_id", caller.username))
        if wearer != caller and not caller.has_perm("devices.add_device"):
            raise PermissionDenied("You may add devices of your own only.")
        try:
            device = device_add(wearer=wearer, **values)
        except DeviceExistsError as error:
            raise ApiError(status.HTTP_409_CONFLICT, "exists", f"{error}.") from None
        return Response(DeviceSerializer(device).data, status=status.HTTP_201_CREATED)


class DeviceView(APIView):
    """One device."""

    @extend_schema(responses=DeviceSerializer, tags=["devices"])
    def get(self, request: "Request", device_id: int) -> Response:
        return Response(DeviceSerializer(_device(request, device_id)).data)

    @extend_schema(request=DeviceChange, responses=DeviceSerializer, tags=["devices"])
    def patch(self, request: "Request", device_id: int) -> Response:
        """Say how many seconds lie between its readings."""
        device = _managed(request, device_id)
        given = DeviceChange(data=request.data)
        given.is_valid(raise_exception=True)
        device_cadence(device=device, **given.validated_data)
        return Response(DeviceSerializer(_device(request, device_id)).data)


class DeviceTokenView(APIView):
    """The token of a device, which may send its wearer's readings and nothing else."""

    @extend_schema(request=None, responses={201: DeviceToken}, tags=["devices"])
    def post(self, request: "Request", device_id: int) -> Response:
        """Make a token; the one before it no longer holds. A session of the website has to have shown lately who it is
        (`confirmation_needed`)."""
        device = _managed(request, device_id)
        if request.auth is None and not is_confirmed(request._request):
            raise ApiError(status.HTTP_403_FORBIDDEN, "confirmation_needed", UNCONFIRMED)
        return Response({"token": device_token_make(device=device, at=timezone.now())}, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None}, tags=["devices"])
    def delete(self, request: "Request", device_id: int) -> Response:
        """Revoke the token."""
        device_token_revoke(device=_managed(request, device_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _device(request: "Request", device_id: int) -> Device:
    device = devices_visible(user=person(request)).filter(pk=device_id).first()
    if device is None:
        raise NotFound("There is no such device, or you may not see it.")
    return device


def _managed(request: "Request", device_id: int) -> Device:
    device = _device(request, device_id)
    if not may_manage(user=person(request), device=device):
        raise PermissionDenied("Only its wearer and those with the permission may change this device.")
    return device


class WindowList(InUnits, generics.ListAPIView[MetricWindow]):
    """A wearer's readings minute by minute, or by other windows: count, average, least, greatest and spread of each
    metric."""

    serializer_class = WindowSerializer
    pagination_class = KeysetPagination

    @property
    def keyset(self) -> tuple[str, ...]:
        return ("-ended_at",) if self.request.query_params.get("order") == "newest" else ("ended_at",)

    @extend_schema(parameters=[WindowQuery], tags=["windows"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[MetricWindow]":
        query = WindowQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = dict(query.validated_data)
        del wanted["order"]
        wanted.pop("units", None)  # of how it is written, not of what there is
        caller = person(self.request)
        return windows_of(
            wearer=wearer_looked_at(user=caller, user_id=wanted.pop("user_id", caller.username)), **wanted
        )
