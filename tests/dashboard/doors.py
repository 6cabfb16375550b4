"""Ways through the door, for the tests of how people sign in."""

import re
import time
from urllib.parse import parse_qs, urlsplit

from django.core import mail
from django.test import Client
from django.utils import timezone

from devices.account.second_factor import (
    app_add,
    app_secret_new,
    code_at,
)
from devices.models import User
from tests.made import PASSWORD

NEW = "a much longer horse"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def door(client: Client, username: str = "alice", password: str = PASSWORD, **more: str):
    return client.post("/login/", {"username": username, "password": password, **more})


def inside(client: Client) -> bool:
    return "_auth_user_id" in client.session


def signed_in(user: User, **headers: str) -> Client:
    """By the door, and so confirmed for ten minutes."""
    client = Client(**headers)
    door(client, user.username)
    return client


def with_app(user: User) -> str:
    secret = app_secret_new()
    at = timezone.now()
    app_add(user=user, secret=secret, code=code_at(secret=secret, counter=int(at.timestamp()) // 30 - 1), at=at)
    return secret


def code(secret: str) -> str:
    """One that works now and was not used: of the period that follows."""
    return code_at(secret=secret, counter=int(time.time()) // 30 + 1)


def link_in(message: mail.EmailMessage) -> str:
    found = urlsplit(re.search(r"http\S+", message.body)[0])
    assert found.netloc == "testserver"
    return f"{found.path}?{found.query}"


def secret_in(message: mail.EmailMessage) -> str:
    return parse_qs(urlsplit(link_in(message)).query)["link"][0]


def follow(message: mail.EmailMessage):
    """Open the link of a question, and say yes."""
    client = Client()
    client.get(link_in(message))
    return client.post("/login/email/")


def shown_secret(page: str) -> str:
    return re.search(r'id="secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")
