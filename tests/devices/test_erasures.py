"""The names of those who were forgotten."""

from typing import Any

from devices.erasures import erased_among, name_hash


def test_another_key_makes_another_hash(settings: Any) -> None:
    before = name_hash("erika")
    assert name_hash("erika") == before
    assert "erika" not in before
    settings.TELARA_ERASURE_KEY = "of its own"
    assert name_hash("erika") != before


def test_without_names_nobody_is_asked() -> None:
    assert erased_among(()) == set()  # without a database
