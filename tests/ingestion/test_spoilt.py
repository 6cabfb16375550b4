"""Bad data of the simulator is refused with the very code that it is made for."""

from datetime import timedelta

from devices.simulator.events import encode
from devices.simulator.grid import Rate
from devices.simulator.people import people, wearer_ids
from devices.simulator.spoil import WAYS, Spoilt, spoil
from devices.simulator.stream import Stretch, readings
from ingestion.decode.exact import judge
from ingestion.decode.verdicts import Accepted, Limits, Rejected
from tests.made import NOON

NOON_MS = round(NOON.timestamp() * 1000)
WHO = people(1, wearer_ids(20))
EVENTS = encode(WHO, readings(Stretch(WHO, Rate.of(1.0), NOON_MS, NOON_MS + 60_000))).to_list()


def verdict(value: bytes) -> Accepted | Rejected:
    return judge(value, received_at=NOON + timedelta(minutes=1), limits=Limits())


def test_good_events_are_accepted():
    assert all(isinstance(verdict(event.encode()), Accepted) for event in EVENTS)


def test_every_way_is_refused_with_its_code_or_is_a_good_event_sent_twice():
    seen: dict[str, Spoilt] = {spoilt.way: spoilt for spoilt in map(spoil, EVENTS)}
    assert set(seen) >= set(WAYS)
    for spoilt in seen.values():
        verdicts = [verdict(value) for value in spoilt.values]
        if spoilt.code in {"duplicate", "conflicting_duplicate"}:
            assert all(isinstance(each, Accepted) for each in verdicts), spoilt.way
        else:
            assert [each.code for each in verdicts if isinstance(each, Rejected)] == [spoilt.code], spoilt.way
