"""What is wrong in the environment stops the start, in one line that names it."""

from pathlib import Path

import pytest
from django.db import connection

from telara.embedded.checkout import ROOT
from telara.settings import Environment
from tests.telara.checkouts import Copy

NAMED = {
    "DATABASE_URL": "postgresql://telara:hush@127.0.0.1:9/telara",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "x" * 50,
}


@pytest.mark.django_db
def test_who_stands_still_or_is_gone_without_a_word_is_noticed_at_both_ends_of_a_session() -> None:
    """A frozen process would hold others up for ever, and a server whose machine is gone would be waited for."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("2min",)
    given = connection.connection.info.dsn_parameters
    assert int(given["keepalives_idle"]) + int(given["keepalives_interval"]) * int(given["keepalives_count"]) < 30


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
        ("SECRET_KEY", ""),
        ("TELARA_SECURE_COOKIES", "enabled"),
        ("TELARA_WEB_THREADS", "0"),
        ("TELARA_TOKEN_DAYS", "99999999999"),
        ("TELARA_THROTTLE_USER", "100"),
        ("TELARA_THROTTLE_LOGIN", "0/min"),
        ("LOG_LEVEL", "LOUD"),
        ("TELARA_METRICS_TOKEN_FILE", "/nowhere/at/all"),
        ("TELARA_URL", "telara.example.org"),
        ("TELARA_URL", "https:///alerts"),
        ("EMAIL_URL", "telara:hush@mail"),
        ("EMAIL_URL", "smtp+tls://telara:hush@mail:587"),  # and no TELARA_URL, to which its links would lead
    ],
)
def test_a_value_of_the_wrong_kind_is_named_without_a_password(name: str, value: str) -> None:
    said = line_of("load_rules", **(NAMED | {name: value}))
    assert said.startswith(f"telara: {name}")
    assert said.count("\n") == 1
    assert "hush" not in said


@pytest.mark.parametrize("value", ["$ecret", "$SECRET_KEY", "$", "\\$x", "a $b"])
def test_a_value_is_what_stands_there_whatever_it_begins_with(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELARA_OF_A_TEST", value)
    assert Environment().str("TELARA_OF_A_TEST", default="") == value


def test_a_blank_beside_a_comma_is_none_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELARA_OF_A_TEST", "telara.example.org, localhost ,, [::1]")
    assert Environment().list("TELARA_OF_A_TEST", default=[]) == ["telara.example.org", "localhost", "[::1]"]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_line_end_of_a_file_is_none_of_its_value(
    ending: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"TELARA_OF_A_TEST_{len(ending)}"  # a file is read once
    (tmp_path / "value").write_bytes(f"of two\nlines {ending}".encode())
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "value"))
    assert Environment().str(name, default="") == "of two\nlines "


@pytest.mark.parametrize(("value", "meant"), [("True", True), ("y", True), ("1", True), ("off", False), ("", False)])
def test_a_switch_is_on_or_off(value: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELARA_OF_A_TEST", value)
    assert Environment().bool("TELARA_OF_A_TEST", default=not meant) is meant


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
