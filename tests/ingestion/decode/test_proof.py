"""What messages add up to together: one that hides a key is seen in any company of good ones."""

import json
from itertools import combinations_with_replacement

import pytest

from ingestion.decode import proof
from tests.ingestion.decode.test_decode import EVENT, event
from tests.ingestion.rounds import differences

GOOD = json.dumps(EVENT).encode()
COMPACT = json.dumps(EVENT, separators=(",", ":")).encode()


def with_more(text: str, *, instead_of: str = '"heart_rate":72') -> bytes:
    """The compact message with a piece of it replaced."""
    assert instead_of.encode() in COMPACT
    return COMPACT.replace(instead_of.encode(), text.encode(), 1)


HIDDEN = {
    "a value, then null": with_more('"heart_rate":72,"heart_rate":null'),
    "null, then a value": with_more('"heart_rate":null,"heart_rate":72'),
    "two values": with_more('"heart_rate":72,"heart_rate":73'),
    "a null, then one with a space": with_more('"heart_rate":72,"heart_rate": null'),
    "a null that nobody knows": with_more('"heart_rate":72,"pulse":null'),
    "a value that nobody knows": with_more('"heart_rate":72,"pulse":73'),
    "a whole group twice": with_more('"sleep":null,"sleep":{"stage":"deep"', instead_of='"sleep":{"stage":null'),
    "the sources twice": with_more('"device_sources":["x"],"device_sources":[', instead_of='"device_sources":['),
    "the person twice": with_more('"user_id":"a","user_id":"user_001"', instead_of='"user_id":"user_001"'),
}
PLAIN = {
    "a null with two spaces": with_more('"heart_rate":  null'),
    "null twice": with_more('"heart_rate":null,"heart_rate":null'),
    "a person with colons": json.dumps(event(user_id="a:null:b::")).encode(),
    "a person with an n after a colon": with_more('"a:nina"', instead_of='"user_001"'),
    "a source with colons": json.dumps(event(device_sources=["a:b", "n:n"])).encode(),
    "an offset": json.dumps(event(timestamp="2026-05-31T14:30:02+02:00")).encode(),
    "another group's null": with_more('"heart_rate":72,"posture":null'),
}
ODD = HIDDEN | PLAIN


@pytest.mark.parametrize("company", [GOOD, COMPACT], ids=["spaced", "compact"])
def test_whatever_hides_is_judged_in_good_company_as_alone(company: bytes) -> None:
    verdicts = {}
    for one, other in combinations_with_replacement(ODD.values(), 2):
        assert not differences([company] * 100 + [one, other], verdicts), (one, other)


@pytest.mark.parametrize("name", HIDDEN)
def test_adding_up_is_what_finds_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_add_up_together", lambda *_: True)
    assert differences([GOOD] * 100 + [HIDDEN[name]], {})
