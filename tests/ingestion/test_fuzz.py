"""Whatever arrives has one of the four outcomes, the same in every company, and takes nothing with it."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from django.db.models import Count

from devices.models import Reading
from ingestion.decode import proof
from ingestion.decode.exact import judge, judge_event, parse_json
from ingestion.decode.verdicts import Accepted, Limits, Rejected
from ingestion.intake import Terms, _judge
from ingestion.models import QuarantinedMessage
from ingestion.send.producer import Outgoing
from tests.ingestion import fuzz, rounds
from tests.ingestion.stream.test_pipeline import Shop

SEEDS, ROUND, STORED, BATCH = range(1, 11), 2_000, 4_000, 400


@pytest.mark.parametrize("seed", SEEDS)
def test_every_message_is_judged_in_any_batch_as_it_is_alone(seed: int) -> None:
    played = rounds.play(seed, ROUND)
    assert played.outcomes.total() == ROUND
    assert {"accepted", "malformed_json", "wrong_type", "out_of_range"} <= played.outcomes.keys()
    assert not played.differing


# What is asked of a message, but for what another question asks, too.
PARTS = {
    "_strings_are_good": 4, "_names_are_good": 1, "_lists_are_good": 3, "_values_are_good": 1, "_time_is_good": 2,
    "_keys_add_up": 3,
}  # fmt: skip


@pytest.mark.parametrize(("part", "left_out"), [(part, n) for part, tests in PARTS.items() for n in range(tests)])
def test_a_proof_that_columns_leave_out_is_missed_at_once(
    part: str, left_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(proof, part)
    monkeypatch.setattr(proof, part, lambda *given: [t for n, t in enumerate(whole(*given)) if n != left_out])
    assert any(rounds.play(seed, ROUND).differing for seed in SEEDS)


def test_what_differs_is_written_down_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rounds.Round(7, Counter(accepted=1), ((b"{}\x00", "alone this, in its batch that"),))
    monkeypatch.setattr(fuzz, "run", lambda *_, **__: iter([found]))
    assert fuzz.main(["1", "--found", str(tmp_path)]) == 1
    assert (tmp_path / "7-0.bin").read_bytes() == b"{}\x00"
    assert "alone this" in capsys.readouterr().err


def test_a_round_that_ends_its_process_is_written_down_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object, **__: object) -> None:
        raise fuzz.ProcessEndedError([5])

    monkeypatch.setattr(fuzz, "run", end)
    monkeypatch.setattr(fuzz, "ROUND", 20)
    assert fuzz.main(["1", "--found", str(tmp_path)]) == 1
    assert [(tmp_path / f"5-{n}.bin").read_bytes() for n in range(20)] == rounds.messages(5, 20)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_post_takes_the_stream_takes_too_with_the_same_values(seed: int) -> None:
    terms, taken = Terms(None, rounds.LIMITS), 0
    for payload in rounds.messages(seed, ROUND):
        try:
            item = parse_json(payload)
        except ValueError:
            continue
        sent = _judge(item, terms, "topic", rounds.NOW)
        if isinstance(sent, Outgoing):
            posted = judge_event(item, received_at=rounds.NOW, limits=rounds.LIMITS)
            assert judge(sent.value, received_at=rounds.NOW, limits=rounds.LIMITS) == posted, payload
            taken += 1
    assert taken > ROUND // 4


@pytest.mark.django_db(transaction=True)
def test_in_the_database_each_is_stored_once_a_duplicate_or_quarantined_for_its_reason() -> None:
    shop, random = Shop(), Random(1)  # noqa: S311  # no secret
    sent = rounds.messages(1, STORED)
    sent += random.sample(sent, STORED // 4)
    random.shuffle(sent)
    outcomes: Counter[str] = Counter()
    for start in range(0, len(sent), BATCH):
        batch = sent[start : start + BATCH]
        became = shop.write(*batch, now=rounds.NOW)
        counts = {
            "stored": became.stored.height,
            "duplicate": became.duplicates,
            "quarantined": len(became.quarantined),
        }
        assert sum(counts.values()) == len(batch)
        outcomes.update(counts)
    verdicts = [judge(payload, received_at=rounds.NOW, limits=Limits()) for payload in sent]
    accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
    refused = Counter(verdict.code.value for verdict in verdicts if isinstance(verdict, Rejected))
    assert dict(QuarantinedMessage.objects.values_list("reason").annotate(Count("pk"))) == refused
    assert {key_of(row) for row in Reading.objects.select_related("user")} == {identity(each) for each in accepted}
    assert Reading.objects.count() == outcomes["stored"] == len({identity(each) for each in accepted})
    assert outcomes["duplicate"] == len(accepted) - outcomes["stored"] > STORED // 20
    assert outcomes["quarantined"] == refused.total() > STORED // 4


def identity(event: Accepted) -> tuple[str, datetime, str]:
    return event.user_id, event.recorded_at, event.event_id


def key_of(row: Reading) -> tuple[str, datetime, str]:
    return row.user.username, row.recorded_at, str(row.event_id)
