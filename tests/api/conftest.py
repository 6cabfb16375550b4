"""The personas of the API, and how each of them calls it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device, User
from devices.tokens import device_token_make, token_make
from tests.made import make_user

Call = Callable[[User | None], APIClient]


@pytest.fixture(autouse=True)
def _no_throttle_is_left() -> None:
    cache.clear()


@pytest.fixture
def call() -> Call:
    """A client with a token of that person; of nobody for None."""

    def client_of(user: User | None) -> APIClient:
        client = APIClient(raise_request_exception=False)
        if user is not None:
            made = token_make(user=user, at=timezone.now(), lifetime=timedelta(days=1))
            client.credentials(HTTP_AUTHORIZATION=f"Token {made.secret}")
        return client

    return client_of


@pytest.fixture
def lead(db: None) -> User:
    """May see everyone, change rules, post readings for anyone."""
    return make_user("lead", "view_all_wearers", "add_readings", "change_rule", "change_device", "add_device")


@pytest.fixture
def device(wearer: User) -> Device:
    return Device.objects.create(user=wearer, kind="apple_watch")


@pytest.fixture
def device_client(device: Device) -> APIClient:
    client = APIClient(raise_request_exception=False)
    secret = device_token_make(device=device, at=timezone.now())
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    return client
