"""What is said of a message that was refused: the reason in words, its bytes, and the field at fault."""

import pytest

from ingestion.decode.verdicts import Code
from ingestion.page.reasons import words_of
from ingestion.page.shown_bytes import as_hex, marked


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("field", ["", "timestamp", "vitals.heart_rate", "activity.posture", "vitals.nothing"])
def test_every_reason_has_words(code: Code, field: str) -> None:
    words = words_of(code, field)
    assert words[0].isupper() or words.startswith(("timestamp", "vitals"))
    assert "{" not in words


def test_a_reason_of_another_version_is_shown_as_it_is() -> None:
    assert words_of("of_the_future", "") == "of_the_future"


def test_hex_is_sixteen_bytes_a_line_beside_what_they_say() -> None:
    lines = as_hex(b'{"a": 1}\x00\xff' + b"x" * 10).split("\n")
    assert lines[0] == '0000  7b 22 61 22 3a 20 31 7d 00 ff 78 78 78 78 78 78  {"a": 1}..xxxxxx'
    assert lines[1] == "0010  78 78 78 78                                      xxxx"


@pytest.mark.parametrize(
    ("raw", "field", "fault"),
    [
        (b'{"vitals":{"heart_rate":412}}', "vitals.heart_rate", '"heart_rate":412'),
        (b'{"heart_rate":1,"heart_rate": "a,\\"b"}', "vitals.heart_rate", '"heart_rate": "a,\\"b"'),
        (b'{"timestamp":"yesterday"}', "timestamp", '"timestamp":"yesterday"'),
        (b"{}", "user_id", ""),
        (b"\xff", "", ""),
    ],
)
def test_the_field_at_fault_is_marked(raw: bytes, field: str, fault: str) -> None:
    assert marked(raw, field=field).fault == fault
