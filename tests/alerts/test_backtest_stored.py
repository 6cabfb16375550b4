"""Backtest over what is stored: the episodes that live detection left, and what a change of a rule would mean."""

import io
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.db import InternalError

from alerts import stored_history
from alerts.backtest import Finding, Replay, backtest
from alerts.backtest_stored import Outcome, backtest_stored, present_rules
from alerts.models import Alert, RuleVersion
from alerts.rule_files import parse_rule
from alerts.stored_history import Scope, one_view
from devices.baselines import baselines_holding
from devices.metrics import Flag
from devices.models import Baseline, User
from tests.alerts.feeding import RACING, Feed, at, beats, load, person_one, the_alert
from tests.ingestion.rows import frame, row
from tests.made import make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
EASY = RACING.replace("{count: 3, within: 60s}", "{count: 1}")
LOW = RACING.replace("id: racing", "id: low").replace("> 100", "< 60")


def everyone(**scope: Any) -> Scope:
    return Scope(dict(User.objects.values_list("pk", "username")), **scope)


def tried(*sources: str, **scope: Any) -> Outcome:
    rules = [rule for source in sources if (rule := parse_rule(source).rule)]
    assert len(rules) == len(sources)
    return backtest_stored(rules=rules, scope=everyone(**scope))


def said(findings: list[Finding]) -> list[tuple[Any, ...]]:
    return [
        (f.rule.id, f.user_id, f.episode.started_at, f.episode.opened_at, f.episode.ended_at, f.episode.event_count,
         f.episode.end, next(iter(f.episode.measures.values())).avg)
        for f in findings
    ]  # fmt: skip


def standing() -> list[tuple[Any, ...]]:
    alerts = Alert.objects.standing().select_related("rule", "user")
    found = [
        (a.rule.rule_id, a.user.username, a.started_at, a.opened_at, a.ended_at, a.event_count, a.end or "open",
         a.measures["heart_rate"]["avg"])
        for a in alerts
    ]  # fmt: skip
    return sorted(found)


@pytest.fixture(params=[1, 700, stored_history.PIECE], ids=["a row", "some rows", "all"])
def _pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_history, "PIECE", request.param)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("seed", range(4))
def test_what_stands_after_live_detection_is_what_a_backtest_over_the_stored_rows_finds(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    load(RACING, LOW)
    feed = Feed()
    people = [person_one(), make_wearer("person_2"), make_wearer("person_0")]
    rows = [made_row(chance, person.pk, number) for person in people for number in range(80)]
    chance.shuffle(rows)
    while rows:
        batch, rows = rows[:15], rows[15:]
        feed.write(frame(*batch), now=at(4000))
        if chance.random() < 0.2:
            feed.restart()
    feed.detection.flush(at=at(5000))
    outcome = backtest_stored(rules=present_rules(), scope=everyone())
    assert said(outcome.findings) == standing()
    assert len(outcome.findings) > 5
    assert (outcome.seen.readings, outcome.seen.people) == (240, 3)
    for summary in outcome.summaries:
        assert (len(summary.overlapping), summary.alerts_lost) == (summary.episodes, 0)


WINDOWS = [
    RACING.replace("over: reading", f"over: {over}")
    .replace("id: racing", f"id: racing-{name}")
    .replace("when: heart_rate > 100", "when: avg_heart_rate > 85")
    .replace("{count: 3, within: 60s}", "{count: 2}")
    .replace("max_gap: 60s", "max_gap: 5m")
    .replace("measures: [heart_rate]", "measures: [avg_heart_rate]")
    for name, over in (("minute", "window(1m)"), ("sliding", "window(3m, every 1m)"))
]


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("seed", range(4))
def test_windows_are_the_same_wherever_the_pieces_end(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    load(RACING)
    people = [person_one(), make_wearer("person_2")]
    rows = [made_row(chance, person.pk, number) for person in people for number in range(80)]
    Feed().write(frame(*rows), now=at(4000))
    names = {person.pk: person.username for person in people}
    readings = frame(*rows).with_columns(pl.col("user_id").replace_strict(names, return_dtype=pl.String))
    rules = [rule for source in WINDOWS if (rule := parse_rule(source, version=0).rule)]
    expected = said(backtest(rules, readings))
    assert {line[0] for line in expected} == {"racing-minute", "racing-sliding"}
    assert said(tried(*WINDOWS).findings) == expected


DERIVED = [
    RACING.replace("id: racing", f"id: {name}")
    .replace("heart_rate > 100", when)
    .replace("{count: 3, within: 60s}", "{}")
    for name, when in (("far", "heart_rate_z > 4"), ("rising", "heart_rate_rate > 100"), ("off", "not_worn = 1"))
]


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("seed", range(4))
def test_derived_columns_are_the_same_wherever_the_pieces_end(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    load(RACING)
    people = [person_one(), make_wearer("person_2")]
    rows = [made_row(chance, person.pk, number) for person in people for number in range(80)]
    for each in rows:
        each["flags"] = int(each["heart_rate"] is None and chance.random() < 0.5) * Flag.HEART_RATE_NOT_MEASURED
    Feed().write(frame(*rows), now=at(4000))
    for begins, median in ((at(0) - timedelta(days=1), 80.0), (at(400), 125.0)):
        hours = [Baseline(metric="heart_rate", local_hour=hour, median=median, mad=5) for hour in range(24)]
        for each in hours:
            each.user, each.valid_from, each.zone, each.values, each.days = people[0], begins, "UTC", 500, 9
        Baseline.objects.bulk_create(hours)
    rules = [rule for source in DERIVED if (rule := parse_rule(source, version=0).rule)]
    replay = Replay(rules, baselines=baselines_holding(user_ids=[p.pk for p in people], since=at(0), until=at(4000)))
    replay.feed(frame(*rows).with_columns(pl.col("recorded_at").alias("received_at")))
    expected = said_briefly(replay.findings({person.pk: person.username for person in people}))
    assert {line[:2] for line in expected} == {("far", "person_1")} | {
        (rule, person) for rule in ("off", "rising") for person in ("person_1", "person_2")
    }
    assert said_briefly(tried(*DERIVED).findings) == expected


def test_what_was_usual_once_is_not_any_more_where_the_present_set_does_not_say(feed: Feed) -> None:
    rule = RACING.replace("heart_rate > 100", "hrv_ms_z < -3").replace("{count: 3, within: 60s}", "{count: 1}")
    load(rule)
    rows = {"user": person_one(), "zone": "UTC", "median": 80, "mad": 5, "values": 500, "days": 9}
    for begins, metric in ((at(0) - timedelta(days=1), "hrv_ms"), (at(300), "heart_rate")):
        Baseline.objects.bulk_create(
            Baseline(metric=metric, valid_from=begins, local_hour=hour, **rows) for hour in range(24)
        )
    seconds = (10, 20, 400)
    moments = [{"recorded_at": at(second), "received_at": at(400)} for second in seconds]
    feed.write(frame(*(row(n, user_id=person_one().pk, hrv_ms=20.0, **m) for n, m in enumerate(moments))), now=at(400))
    assert (the_alert().started_at, the_alert().event_count, the_alert().end) == (at(10), 2, "gap")
    assert said_briefly(tried(rule).findings) == [("racing", "person_1", at(10), at(20), 2)]


def said_briefly(findings: list[Finding]) -> list[tuple[Any, ...]]:
    return [(f.rule.id, f.user_id, f.episode.started_at, f.episode.ended_at, f.episode.event_count) for f in findings]


def made_row(chance: random.Random, person: int, number: int) -> dict[str, Any]:
    """Readings some of which share their second, in streaks of high and low."""
    second = 20 * (number // 2) + chance.choice((0, 0, 9))
    rate = chance.choice((50.0, 120.0, 130.0)) if number % 16 < 9 else chance.choice((50.0, 80.0, None))
    moment = {"recorded_at": at(second), "received_at": at(3900)}
    return row(person * 1000 + number, user_id=person, heart_rate=rate, **moment)


def test_a_changed_rule_is_held_against_the_present_version_and_the_alerts(feed: Feed) -> None:
    feed.send(*beats(0, 3), (3, 90))  # both find this one
    feed.send((300, 120), (301, 90))  # too short for the present version
    feed.send(*beats(600, 3, 105), (603, 90))  # too low for the new one
    (summary,) = tried(EASY.replace("> 100", "> 110")).summaries
    assert (summary.episodes, len(summary.overlapping), summary.alerts, summary.alerts_lost) == (2, 1, 2, 1)
    assert summary.difference is not None
    different = summary.difference
    assert [f.episode.started_at for f in different.both] == [at(0)]
    assert [f.episode.started_at for f in different.only_new] == [at(300)]
    assert [f.episode.started_at for f in different.only_old] == [at(600)]
    assert summary.present_version == 1


def test_the_present_wording_and_a_new_rule_have_no_difference(feed: Feed) -> None:
    feed.send(*beats(0, 3, 50))
    low, racing = tried(RACING, LOW).summaries
    assert (low.rule_id, low.episodes, low.present_version, low.difference) == ("low", 1, None, None)
    assert (racing.rule_id, racing.episodes, racing.present_version, racing.difference) == ("racing", 0, 1, None)


def test_a_version_is_tried_on_what_was_received_before_it_was_active(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    load(RACING.replace("> 100", "> 110"), when=at(500))
    outcome = backtest_stored(rules=present_rules(rule_id="racing"), scope=everyone())
    assert [f.episode.started_at for f in outcome.findings] == [at(0)]


def test_withdrawn_alerts_and_those_of_other_times_and_rules_do_not_count(feed: Feed) -> None:
    feed.send(*beats(0, 3), (3, 90))
    feed.send(*beats(300, 3), (303, 90))
    Alert.objects.filter(started_at=at(0)).update(episode="withdrawn")
    (summary,) = tried(RACING).summaries
    assert (summary.episodes, len(summary.overlapping), summary.alerts) == (2, 1, 1)
    (summary,) = tried(RACING, until=at(200)).summaries
    assert (summary.episodes, len(summary.overlapping), summary.alerts) == (1, 0, 0)
    (summary,) = tried(RACING, since=at(100)).summaries
    assert (summary.episodes, len(summary.overlapping), summary.alerts) == (1, 1, 1)


def test_a_person_day_is_twenty_four_hours_of_the_clock_with_readings(feed: Feed) -> None:
    feed.send(*beats(0, 3), (3600, 80), (3700, 80), (9 * 3600, 80))
    feed.send((0, 80), user=make_wearer("person_2"))
    outcome = tried(RACING)
    assert (outcome.seen.person_hours, outcome.seen.people, outcome.seen.readings) == (4, 2, 7)
    assert outcome.summaries[0].per_person_day == pytest.approx(6)


def test_nothing_stored_gives_nothing(feed: Feed) -> None:
    outcome = tried(RACING)
    assert (outcome.findings, outcome.seen.readings, outcome.summaries[0].per_person_day) == ([], 0, None)


def test_nothing_can_be_written_while_it_reads(feed: Feed) -> None:
    with pytest.raises(InternalError, match="read-only transaction"), one_view():
        make_wearer("nobody")


# The command


def run(*arguments: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("backtest", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_tries_the_rules_of_the_database(feed: Feed) -> None:
    feed.send(*beats(0, 3), (3, 90))
    out, err = run("--json")
    (line,) = map(json.loads, out.splitlines())
    assert (line["rule_id"], line["user_id"], line["event_count"], line["end"]) == ("racing", "person_1", 3, "cleared")
    assert err.splitlines()[0] == "4 readings, 1 people, 0.0 person-days"
    assert err.splitlines()[2].split() == ["racing", "1", "24.00", "1", "1", "0", "version", "1:", "the", "same"]


def test_the_command_takes_a_file_one_person_and_a_span(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "easy.yaml").write_text(EASY)
    feed.send((0, 120), (60, 90), (300, 120))
    feed.send((0, 120), user=make_wearer("person_2"))
    rule = ("--rules", tmp_path / "easy.yaml")
    assert run(*rule)[0].endswith("3 episodes\n")
    out, err = run(*rule, "--user", "person_1", "--since", at(100).isoformat(), "--until", at(301).isoformat())
    assert out.endswith("1 episodes\n")
    assert "version 1: only new 1, only old 0, both 0" in err


def test_the_command_names_what_is_not_there(feed: Feed) -> None:
    with pytest.raises(CommandError, match="There is no rule nonsense; there are racing"):
        run("--rule", "nonsense")
    with pytest.raises(CommandError, match="There is no wearer nobody"):
        run("--user", "nobody")
    with pytest.raises(CommandError, match="'soon' is no time"):
        run("--since", "soon")


def test_the_command_names_a_present_version_that_cannot_be_read(feed: Feed, tmp_path: Path) -> None:
    RuleVersion.objects.update(source="id: racing")
    (tmp_path / "racing.yaml").write_text(RACING)
    with pytest.raises(CommandError, match=r"the present version cannot be read by this release.*racing v1"):
        run("--rules", tmp_path)


def test_the_command_tries_a_rule_that_is_disabled_when_it_is_asked_for(feed: Feed) -> None:
    feed.send(*beats(0, 3), (3, 90))
    load(LOW, when=at(100))
    assert run()[0].endswith("0 episodes\n")
    assert run("--rule", "racing")[0].endswith("1 episodes\n")


def test_the_command_says_that_there_are_no_rules(db: None) -> None:
    with pytest.raises(CommandError, match="load some with load_rules"):
        run()


def test_an_episode_at_the_border_of_two_hours_is_found_once(feed: Feed) -> None:
    feed.send(*beats(3595, 10))
    found = tried(RACING).findings
    assert [f.episode.event_count for f in found] == [10]
    assert found[0].episode.ended_at - found[0].episode.started_at == timedelta(seconds=9)
