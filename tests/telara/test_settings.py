"""What is wrong in the environment stops the start, in one line that names it."""

import pytest

from telara.embedded.checkout import ROOT
from tests.telara.checkouts import Copy

NAMED = {
    "DATABASE_URL": "postgresql://telara:hush@127.0.0.1:9/telara",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "x" * 50,
}


def line_of(*command: str, **environ: str) -> str:
    """What a command says that ends with exit code 1."""
    process = Copy(ROOT).start("manage.py", *command, **environ)
    said, _ = process.communicate()
    assert process.returncode == 1, said
    assert "Traceback" not in said
    return said


def test_named_services_need_a_secret_key_of_their_own() -> None:
    named = {name: value for name, value in NAMED.items() if name != "SECRET_KEY"}
    assert line_of("load_rules", **named) == "telara: Set the SECRET_KEY environment variable\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "sqlite:///db.sqlite3"),
        ("DATABASE_URL", "postgresql://telara:hush@127.0.0.1:port/telara"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("PORT", "eight"),
        ("TELARA_UNKNOWN_USERS", "ignore"),
        ("TELARA_KAFKA_GROUP_PROTOCOL", "new"),
        ("TELARA_RETENTION_DAYS", "ever"),
        ("EMAIL_URL", "telara:hush@mail"),
        ("EMAIL_URL", "smtp+tls://telara:hush@mail:587"),  # and no TELARA_URL, to which its links would lead
    ],
)
def test_a_value_of_the_wrong_kind_is_named_without_a_password(name: str, value: str) -> None:
    said = line_of("load_rules", **(NAMED | {name: value}))
    assert said.startswith(f"telara: {name}")
    assert said.count("\n") == 1
    assert "hush" not in said


def test_a_database_that_is_away_is_said() -> None:
    assert "telara: the database does not answer" in line_of("load_rules", **NAMED)


BEHIND_TLS = """
import django
django.setup()
from django.conf import settings
from django.test import Client
answers = [Client().get("/health/live", headers={"X-Forwarded-Proto": by}) for by in ("https", "http")]
print([answer.headers.get("Strict-Transport-Security", "") for answer in answers])
print(settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY)
"""


def test_behind_tls_browsers_are_told_to_stay_there() -> None:
    named = NAMED | {"ALLOWED_HOSTS": "testserver", "DJANGO_SETTINGS_MODULE": "telara.settings", "LOG_LEVEL": "ERROR"}
    process = Copy(ROOT).start("-W", "ignore", "-c", BEHIND_TLS, **named, TELARA_SECURE_COOKIES="true")
    assert process.communicate()[0].splitlines() == ["['max-age=31536000', '']", "True True True"]
