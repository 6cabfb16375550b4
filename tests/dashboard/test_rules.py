"""The rules' page: who reads, who writes, what is counted, and that nothing is overwritten unseen."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.engine.source import STORED_COLUMNS
from alerts.models import Alert, Rule, RuleChange, RuleVersion, Summary
from alerts.services.rules import rule_write
from dashboard.rules.draft import diff_of
from dashboard.templatetags.words import rate_text
from devices.models import User
from tests.alerts.test_rules_service import yaml
from tests.dashboard.pages import Visit
from tests.made import make_alert, make_rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(lead: User) -> User:
    """May see everyone and change rules."""
    lead.user_permissions.add(Permission.objects.get(codename="change_rule"))
    return User.objects.get(pk=lead.pk)


@pytest.fixture
def desk(visit: Visit, editor: User) -> Client:
    return visit(editor)


def write(*sources: str, by: User | None = None) -> Rule:
    for source in sources:
        version = rule_write(source=source, by=by, at=timezone.now())
    return version.rule


def save(client: Client, source: str, based_on: int = 1, path: str = "/rules/bradycardia/", note: str = ""):
    return client.post(path, {"source": source, "based_on": based_on, "note": note})


def test_nobody_sees_rules_without_signing_in(visit: Visit) -> None:
    assert visit(None).get("/rules/").url == "/login/?next=/rules/"


@pytest.mark.parametrize("who", ["wearer", "analyst", "lead", "stranger", "staff"])
def test_everyone_else_reads_and_nobody_without_the_permission_writes(
    visit: Visit, request: pytest.FixtureRequest, who: str
) -> None:
    write(yaml())
    client = visit(request.getfixturevalue(who))
    assert "Slow heart" in client.get("/rules/").text
    page = client.get("/rules/bradycardia/").text
    assert "heart_rate &lt; 40" in page
    assert "readonly" in page
    assert "Save as version" not in page
    assert "Switch off" not in page
    refused = [
        save(client, yaml(limit=45)),
        save(client, yaml("other"), 0, "/rules/"),
        client.get("/rules/?new=1"),
        client.post("/rules-lint/", {"source": yaml()}),
        client.post("/rules/bradycardia/switch/", {"to": "off", "note": "loud"}),
    ]
    assert [response.status_code for response in refused] == [403] * 5
    assert Rule.objects.get().versions.count() == 1


def test_an_empty_list_says_what_to_do(visit: Visit, analyst: User) -> None:
    assert "load_rules" in visit(analyst).get("/rules/").text


def test_it_groups_by_severity_technical_ones_last(visit: Visit, analyst: User) -> None:
    write(yaml("low").replace("HIGH", "LOW"), yaml("high"), yaml("worst").replace("HIGH", "CRITICAL"))
    write(yaml("strap").replace("severity: HIGH", "severity: CRITICAL\nclass: technical"))
    groups = visit(analyst).get("/rules/").context["groups"]
    assert [(title, [row.rule.rule_id for row in rows]) for title, rows in groups] == [
        ("Critical", ["worst"]), ("High", ["high"]), ("Low", ["low"]), ("Technical", ["strap"]),
    ]  # fmt: skip


def test_it_finds_by_words_of_name_and_condition(visit: Visit, analyst: User) -> None:
    write(yaml("one"), yaml("two", limit=45))
    groups = visit(analyst).get("/rules/?q=slow+45").context["groups"]
    assert [row.rule.rule_id for _, rows in groups for row in rows] == ["two"]
    assert "No rule matches" in visit(analyst).get("/rules/?q=nothing").text


def test_it_counts_the_alerts_that_one_may_see(visit: Visit, analyst: User, wearer: User, other: User) -> None:
    rule, now = write(yaml()), timezone.now()
    over = {"rule": rule, "episode": "ended", "end": "cleared"}
    closed = over | {"triage": "closed"}
    make_alert(wearer, opened_at=now - timedelta(days=1), close_reason="false_alarm", **closed)
    make_alert(wearer, opened_at=now - timedelta(days=2), close_reason="true", **closed)
    make_alert(wearer, opened_at=now - timedelta(days=3), **over)
    make_alert(wearer, opened_at=now - timedelta(days=29), close_reason="true", **closed)
    make_alert(wearer, opened_at=now - timedelta(days=31), close_reason="false_alarm", **closed)
    make_alert(wearer, opened_at=now - timedelta(hours=1), **(over | {"episode": "withdrawn"}))
    make_alert(other, opened_at=now - timedelta(days=1), close_reason="false_alarm", **closed)
    response = visit(analyst).get("/rules/")
    ((_, (row,)),) = response.context["groups"]
    assert (row.figures.opened, row.figures.closed, row.figures.false) == (4, 3, 1)
    assert (round(row.figures.a_day, 2), round(row.figures.false_share)) == (0.14, 33)  # of 29 days
    assert "1 of 3 closed" in response.text


def test_what_is_rare_is_not_called_never(visit: Visit, analyst: User, wearer: User) -> None:
    rule = write(yaml())
    summed_up(wearer, *range(1, 7 * 24))
    assert "a day" not in visit(analyst).get("/rules/").text
    make_alert(wearer, rule=rule, opened_at=timezone.now() - timedelta(days=1))
    assert ">1.0 a day" in visit(analyst).get("/rules/").text, "it is new"
    Rule.objects.filter(pk=rule.pk).update(created_at=timezone.now() - timedelta(days=40))
    assert "&lt; 0.1 a day" in visit(analyst).get("/rules/").text
    said = {0.0: "0.00", 0.001: "< 0.01", 0.01: "0.01", 1.236: "1.24", None: "unknown"}
    assert {rate: rate_text(rate, 2) for rate in said} == said


def summed_up(user: User, *hours_ago: int, readings: int = 60) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    Summary.objects.bulk_create(
        Summary(user=user, period="hour", start=now - timedelta(hours=ago), readings=readings, metrics={}, alerts={},
                made_at=now)
        for ago in hours_ago
    )  # fmt: skip


def test_it_counts_by_the_days_of_readings_of_those_whom_one_may_see(
    visit: Visit, analyst: User, wearer: User, other: User
) -> None:
    rule, now = write(yaml()), timezone.now()
    assert "no data" in visit(analyst).get("/rules/").text
    cache.clear()
    make_alert(wearer, rule=rule, opened_at=now - timedelta(days=1))
    summed_up(wearer, *range(1, 49), 31 * 24)
    summed_up(wearer, 60, readings=0)
    summed_up(other, *range(1, 100))
    ((_, (row,)),) = visit(analyst).get("/rules/").context["groups"]
    assert (row.figures.person_days, row.figures.a_person_day) == (2.0, 0.5)


def test_ten_thousand_alerts_are_counted_in_the_database(visit: Visit, lead: User, wearer: User) -> None:
    rules = [write(yaml(f"rule-{number}")) for number in range(3)]
    now = timezone.now()
    template = make_alert(wearer, rule=rules[0], opened_at=now - timedelta(days=1), episode="ended", end="cleared")
    fields = {field.attname: getattr(template, field.attname) for field in Alert._meta.concrete_fields}
    Alert.objects.bulk_create(
        Alert(**(fields | {"alert_id": uuid4(), "rule_id": rules[number % 3].pk, "started_at": start}))
        for number, start in enumerate(now - timedelta(days=2, seconds=each) for each in range(9_999))
    )
    client = visit(lead)
    with CaptureQueriesContext(connection) as few:
        groups = client.get("/rules/").context["groups"]
    assert [row.figures.opened for _, rows in groups for row in rows] == [3_334, 3_333, 3_333]
    assert len(few) < 15


def test_a_list_takes_no_query_a_row(visit: Visit, analyst: User) -> None:
    client = visit(analyst)
    write(yaml("first"))
    client.get("/rules/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get("/rules/")
    write(*(yaml(f"rule-{number}") for number in range(20)))
    with CaptureQueriesContext(connection) as many:
        client.get("/rules/")
    assert len(many) == len(few)


def test_a_rule_that_this_release_cannot_read_is_listed_as_such(visit: Visit, analyst: User) -> None:
    make_rule("old", source="id: old\nwhen: what")
    assert "this release cannot read it" in visit(analyst).get("/rules/").text
    assert "id: old" in visit(analyst).get("/rules/old/").text


def test_saving_makes_a_version_with_its_reason(desk: Client, editor: User) -> None:
    write(yaml())
    response = save(desk, yaml(limit=45).replace("\n", "\r\n"), note="children")
    assert response.url == "/rules/bradycardia/"
    newest = Rule.objects.get().versions.latest("number")
    assert (newest.number, newest.source, newest.made_by) == (2, yaml(limit=45), editor)
    assert RuleChange.objects.latest("pk").note == "children"
    page = desk.get("/rules/bradycardia/").text
    assert "Version 2 counts from" in page
    assert "children" in page


def test_a_reason_holds_what_a_text_can_hold(desk: Client) -> None:
    write(yaml())
    assert save(desk, yaml(limit=45), note="strict\x00er").status_code == 302
    assert desk.post("/rules/bradycardia/switch/", {"to": "off", "note": "too\x00 loud"}).status_code == 302
    assert list(RuleChange.objects.order_by("pk").values_list("note", flat=True))[-2:] == ["stricter", "too loud"]
    assert desk.post("/rules/bradycardia/switch/", {"to": "on", "note": "\x00"}).status_code == 400


def test_saving_the_same_makes_no_version(desk: Client) -> None:
    write(yaml())
    save(desk, "# a comment\n" + yaml())
    assert "Nothing changed: version 1 says the same." in desk.get("/rules/bradycardia/").text
    assert Rule.objects.get().versions.count() == 1


def test_a_mistake_is_named_and_keeps_the_text(desk: Client) -> None:
    write(yaml())
    response = save(desk, yaml(limit=45).replace("heart_rate", "hart_rate"))
    assert response.status_code == 400
    assert "Line 6, column 7:" in response.text
    assert "did you mean heart_rate?" in response.text
    assert "hart_rate &lt; 45" in response.text
    assert Rule.objects.get().versions.count() == 1


def test_nobody_overwrites_a_version_unseen(desk: Client, lead: User) -> None:
    write(yaml(), yaml(limit=41), by=lead)
    response = save(desk, yaml(limit=45), based_on=1)
    assert response.status_code == 400
    assert "there is a version 2 of bradycardia already, saved by lead" in response.text
    assert Rule.objects.get().versions.count() == 2


def test_a_new_rule_is_made_and_never_over_another(desk: Client) -> None:
    assert "name-of-the-rule" in desk.get("/rules/?new=1").text
    assert save(desk, yaml(), 0, "/rules/").url == "/rules/bradycardia/"
    response = save(desk, yaml(limit=45), 0, "/rules/")
    assert response.status_code == 400
    assert "there is a version 1 of bradycardia already" in response.text


def test_lint_names_places_and_a_changed_id(desk: Client) -> None:
    write(yaml())
    assert desk.post("/rules-lint/", {"source": yaml(), "rule_id": "bradycardia"}).json() == {
        "problems": [], "warnings": [],
    }  # fmt: skip
    never = desk.post("/rules-lint/", {"source": yaml(limit=0)}).json()["problems"]
    assert never == [{"line": 6, "column": 7, "message": "this can never be TRUE: heart_rate is 1 to 350"}]
    (kept,) = desk.post("/rules-lint/", {"source": yaml("other"), "rule_id": "bradycardia"}).json()["problems"]
    assert kept["message"] == "the id is bradycardia, and a rule keeps its id"
    assert desk.post("/rules-lint/", {"source": ""}).json()["problems"][0]["message"] == "the file is empty"


TWO = yaml().replace("heart_rate < 40", "heart_rate < 40 AND steps_per_minute < 5")


def measured(user: User, *, days_ago: int = 1, readings: int = 100, **counts: int) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    metrics = {name: {"count": count, "min": 1, "avg": 1, "max": 1} for name, count in counts.items()}
    Summary.objects.create(user=user, period="day", start=at, readings=readings, metrics=metrics, alerts={}, made_at=at)


def warned(client: Client, source: str = TWO) -> list[tuple[int, int, str]]:
    cache.clear()
    found = client.post("/rules-lint/", {"source": source}).json()
    assert found["problems"] == []
    return [(each["line"], each["column"], each["message"]) for each in found["warnings"]]


def test_it_warns_of_what_is_often_missing_where_the_condition_reads_it(desk: Client, wearer: User) -> None:
    assert warned(desk) == []
    measured(wearer, heart_rate=99, steps_per_minute=82)
    assert warned(desk) == [
        (6, 27, "Steps is missing in 18 % of the readings of the last 7 days. A missing value neither feeds nor breaks"
         " the run."),
    ]  # fmt: skip
    assert warned(desk, "# steps_per_minute\n" + TWO)[0][:2] == (7, 27)
    assert warned(desk, yaml().replace("heart_rate < 40", "steps_per_minute > 40")) == []
    measured(wearer, days_ago=2, readings=400, heart_rate=400, steps_per_minute=400)
    assert warned(desk) == []


def test_it_warns_of_what_is_never_there_and_of_nothing_where_there_is_nothing(desk: Client, wearer: User) -> None:
    measured(wearer, days_ago=8, heart_rate=100)
    assert warned(desk, yaml()) == []
    measured(wearer, steps_per_minute=100)
    assert warned(desk, yaml()) == [(6, 7, "Heart rate is in no reading of the last 7 days.")]


def test_it_warns_by_the_readings_of_those_whom_one_may_see(
    visit: Visit, analyst: User, wearer: User, other: User
) -> None:
    analyst.user_permissions.add(Permission.objects.get(codename="change_rule"))
    measured(wearer, heart_rate=100, steps_per_minute=100)
    measured(other, heart_rate=1)
    assert warned(visit(analyst)) == []


def test_a_draft_is_compared_with_the_newest_version_by_those_who_may_write(
    desk: Client, visit: Visit, other: User
) -> None:
    write(yaml(), yaml(limit=41))
    page = desk.post("/rules/bradycardia/compare/", {"source": yaml(limit=43).replace("\n", "\r\n")})
    assert "Version 2 and this text compared" in page.text
    assert [line for line in page.context["diff"] if line[0] != "same"] == [
        ("removed", "when: heart_rate < 41"), ("added", "when: heart_rate < 43"),
    ]  # fmt: skip
    assert desk.post("/rules/other/compare/", {"source": ""}).status_code == 404
    assert visit(other).post("/rules/bradycardia/compare/", {"source": ""}).status_code == 403


def test_a_text_that_is_too_large_for_a_rule_is_not_compared(desk: Client) -> None:
    write(yaml())
    page = desk.post("/rules/bradycardia/compare/", {"source": "a\n" * 2**15 + "a"})
    assert page.status_code == 400
    assert "The text of a rule is 64 KiB at most." in page.text


def test_lines_that_stayed_are_found_in_texts_that_somebody_could_read() -> None:
    assert diff_of("a\nb\nc\nd", "a\nx\ny\nc\nd\ne") == [
        ("same", "a"), ("removed", "b"), ("added", "x"), ("added", "y"), ("same", "c"), ("same", "d"), ("added", "e"),
    ]  # fmt: skip
    assert diff_of("a\n" * 1_001, "a") == [("removed", "a")] * 1_001 + [("added", "a")]


def test_the_switch_asks_why_and_makes_a_version(desk: Client) -> None:
    rule = write(yaml())
    assert desk.post("/rules/bradycardia/switch/", {"to": "off", "note": " "}).status_code == 400
    assert desk.post("/rules/bradycardia/switch/", {"to": "up", "note": "x"}).status_code == 400
    assert desk.get("/rules/bradycardia/switch/").status_code == 405
    desk.post("/rules/bradycardia/switch/", {"to": "off", "note": "too loud"})
    rule.refresh_from_db()
    assert rule.enabled is False
    assert "switched off: too loud" in desk.get("/rules/bradycardia/").text
    desk.post("/rules/bradycardia/switch/", {"to": "on", "note": "quiet now"})
    rule.refresh_from_db()
    assert (rule.enabled, rule.versions.latest("number").number) == (True, 2)


def test_saving_says_that_it_switches_on_and_the_same_text_does_not(desk: Client) -> None:
    write(yaml())
    assert ">Save as version 2<" in desk.get("/rules/bradycardia/").text
    desk.post("/rules/bradycardia/switch/", {"to": "off", "note": "too loud"})
    assert ">Save as version 2, switched on<" in desk.get("/rules/bradycardia/").text
    save(desk, yaml())
    assert (Rule.objects.get().enabled, RuleVersion.objects.count()) == (False, 1)
    save(desk, yaml(limit=45))
    assert (Rule.objects.get().enabled, RuleVersion.objects.count()) == (True, 2)


def test_versions_are_compared_and_put_into_the_editor(desk: Client) -> None:
    write(yaml(), yaml(limit=41), yaml(limit=42))
    response = desk.get("/rules/bradycardia/?compare=1")
    changed = [line for line in response.context["diff"] if line[0] != "same"]
    assert changed == [("removed", "when: heart_rate < 40"), ("added", "when: heart_rate < 42")]
    assert response.context["title"] == "Versions 1 and 3 compared"
    assert desk.get("/rules/bradycardia/?compare=3").context["title"] == "Versions 2 and 3 compared"
    assert desk.get("/rules/bradycardia/?from=1").context["source"] == yaml()
    assert desk.get("/rules/bradycardia/?compare=9").status_code == 404
    assert desk.get("/rules/bradycardia/?from=x").status_code == 404


def test_the_yaml_goes_out_as_it_was_saved(visit: Visit, analyst: User) -> None:
    write(yaml(), yaml(limit=41))
    response = visit(analyst).get("/rules/bradycardia/yaml/")
    assert response.content.decode() == yaml(limit=41)
    assert response["Content-Disposition"] == 'attachment; filename="bradycardia.yaml"'
    assert visit(analyst).get("/rules/other/yaml/").status_code == 404


def test_the_text_of_a_rule_is_never_markup(desk: Client) -> None:
    write(yaml().replace("Slow heart", "<b>Slow</b>") + "description: </textarea><i>x</i>\n")
    page = desk.get("/rules/bradycardia/").text
    assert "<b>Slow</b>" not in page
    assert "</textarea><i>" not in page


def test_the_editor_offers_every_column_with_its_unit_and_bounds(desk: Client) -> None:
    write(yaml())
    for path in ("/rules/bradycardia/", "/rules/?new=1"):
        page = " ".join(desk.get(path).text.split())
        row = page.partition("<code>heart_rate</code>")[2].partition("</tr>")[0]
        assert [cell in row for cell in ("Heart rate", "bpm", "1 to 350", ">_z _rate</code>")] == [True] * 4
        assert "above 0 to 100" in page
        assert all(f"<code>{name}</code>" in page for name in (*STORED_COLUMNS, "not_worn", "avg_heart_rate"))


def test_a_rule_over_absence_says_what_it_looks_for(visit: Visit, lead: User) -> None:
    make_rule("device-silent", source=Path("alerts/rules/device-silent.yaml").read_text())
    assert "nothing heard for 3 x cadence, at least 2m" in visit(lead).get("/rules/?q=cadence").text
    assert "over: absence" in visit(lead).get("/rules/device-silent/").text


def test_the_form_changes_the_text_and_says_where_it_cannot_be_read(desk: Client) -> None:
    answer = desk.post("/rules-form/", {"source": yaml()}).json()
    assert (answer["source"], answer["problem"]) == (yaml(), "")
    assert answer["values"]["id"] == "bradycardia"
    changed = desk.post("/rules-form/", {"source": yaml(), "path": "severity", "value": "LOW"}).json()
    assert changed["values"]["severity"] == "LOW"
    assert "severity: LOW\n" in changed["source"]
    broken = desk.post("/rules-form/", {"source": "id: [", "path": "title", "value": "x"}).json()
    assert (broken["source"], broken["values"]) == ("id: [", {})
    assert broken["problem"].startswith("line ")
    assert desk.post("/rules-form/", {"source": yaml(), "path": "references", "value": "x"}).status_code == 400
