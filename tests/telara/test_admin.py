"""The admin: triage and housekeeping, by those who may, of those whom they may see; no query a row, nothing inline."""

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from alerts.models import Alert, AlertChange, OutboxEntry, Rule, RuleVersion, Summary
from alerts.services.rules import rule_disable
from devices import admin_account
from devices.admin_base import BoundedPaginator
from devices.erasures import erasure_ask
from devices.hashing import secret_hash
from devices.models import ApiToken, Assignment, AuditEntry, Device, Look, Note, Reading, User, Verb
from devices.tokens import device_token_make
from ingestion.models import PartitionLedger, QuarantinedMessage
from telara.admin_config import admin_load
from tests.alerts.test_rules_service import yaml
from tests.made import NOON, confirm, make_alert, make_partitions, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    confirm(client)
    return client


def page(response) -> str:
    assert response.status_code == 200, response.status_code
    return unescape(response.content.decode())


@pytest.fixture
def wearer() -> User:
    return make_wearer("user_001", display_name="Ann")


@pytest.fixture
def boss() -> Client:
    return client_of(User.objects.create_superuser("boss", password="x"))


@pytest.fixture
def nurse(wearer: User) -> Client:
    """Staff who may look at everything the admin has and decide about alerts, and who watches one wearer."""
    nurse = make_user("nurse", is_staff=True, watches=(wearer,))
    codenames = (
        "view_alert",
        "change_alert",
        "view_device",
        "change_device",
        "view_reading",
        "view_user",
        "view_summary",
    )
    nurse.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return client_of(nurse)


def decide(client: Client, action: str, *alerts: Alert, **given: object):
    data = {"action": action, "_selected_action": [str(a.pk) for a in alerts], **given}
    return client.post("/admin/alerts/alert/", data, follow=True)


def test_every_page_is_there_and_needs_nothing_inline(boss: Client, wearer: User) -> None:
    make_alert(wearer)
    Device.objects.create(user=wearer, kind="ring")
    admin_load()
    assert len(admin.site._registry) > 20
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        addresses = [base] + [f"{base}{row.pk}/change/" for row in model._default_manager.all()[:1]]
        for address in addresses:
            text = page(boss.get(address))
            assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text), address
            assert not re.search(r"\son\w+=|\sstyle=|<style", text), address


def test_times_are_by_the_clock_of_who_looks_and_utc_for_who_points_at_them(boss: Client, wearer: User) -> None:
    User.objects.update(time_zone="Asia/Kathmandu")
    device = Device.objects.create(user=wearer, kind="ring", last_seen_at=NOON)
    hovered = 'title="2026-03-01 12:00:00 UTC">2026-03-01 17:45:00</time>'
    listed = page(boss.get("/admin/devices/device/"))
    assert hovered in listed
    assert "Times by your clock, Asia/Kathmandu" in listed
    assert "2026-03-01 17:45:00 (UTC +0545)" in page(boss.get(f"/admin/devices/device/{device.pk}/change/"))
    make_partitions(NOON)
    for minutes in (-1, 1):
        Reading.objects.create(
            user=wearer, event_id=uuid4(), received_at=NOON, recorded_at=NOON + timedelta(minutes=minutes)
        )
    asked = {"person": wearer.username, "since_0": "2026-03-01", "since_1": "17:45:00"}
    found = page(boss.get("/admin/devices/reading/", asked))
    assert found.count("<time ") == 2
    assert "2026-03-01 17:46:00" in found, "what is asked for is by the same clock"


def test_who_is_about_to_be_forgotten_keeps_their_user_id(boss: Client, wearer: User) -> None:
    address = f"/admin/devices/user/{wearer.pk}/change/"
    assert 'name="username"' in page(boss.get(address))
    erasure_ask(user=wearer, at=NOON, grace=timedelta(days=1))
    form = page(boss.get(address))
    assert 'name="username"' not in form
    given = {"username": "other", "display_name": "Anna", "time_zone": "UTC"}
    for formset in re.findall(r'name="([^"]+)-TOTAL_FORMS"', form):
        given |= {f"{formset}-TOTAL_FORMS": "0", f"{formset}-INITIAL_FORMS": "0"}
    assert boss.post(address, given).status_code == 302
    wearer.refresh_from_db()
    assert (wearer.username, wearer.display_name) == ("user_001", "Anna")


def test_opening_a_note_about_somebody_is_a_look_at_them(boss: Client, wearer: User) -> None:
    note = Note.objects.create(person=wearer, about=NOON, written_at=NOON, text="fainted")
    boss.get("/admin/devices/note/")
    assert not Look.objects.exists()
    assert "fainted" in page(boss.get(f"/admin/devices/note/{note.pk}/change/"))
    assert list(Look.objects.values_list("viewer__username", "person__username")) == [("boss", "user_001")]


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("alerts/alert", lambda user, n: make_alert(user, rule=make_rule(f"rule-{n}"), triaged_by=user)),
        ("devices/user", lambda user, n: make_wearer(f"w{n}")),
        ("devices/device", lambda user, n: Device.objects.create(user=user, kind=f"k{n}")),
        ("devices/apitoken", lambda user, n: ApiToken.objects.create(user=user, token_hash=n, expires_at=NOON)),
        ("alerts/rule", lambda user, n: make_rule(f"rule-{n}", source=yaml(f"rule-{n}"))),
        (
            "alerts/summary",
            lambda user, n: Summary.objects.create(
                user=user, period="hour", start=NOON + n * timedelta(hours=1), readings=1, metrics={}, alerts={},
                made_at=NOON,
            ),
        ),
        ("alerts/outboxentry", lambda user, n: OutboxEntry.objects.create(alert_id=uuid4(), revision=1, payload={})),
        (
            "ingestion/quarantinedmessage",
            lambda user, n: QuarantinedMessage.objects.create(
                cluster_id="c", topic="t", partition=0, offset=n, reason="r", payload=b"", size=0, received_at=NOON
            ),
        ),
        (
            "ingestion/partitionledger",
            lambda user, n: PartitionLedger.objects.create(cluster_id="c", topic="t", partition=n),
        ),
    ],
)  # fmt: skip
def test_fifty_rows_take_no_more_queries_than_one(boss: Client, wearer: User, path: str, make) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (range(1), range(1, 50)):
        for n in number:
            make(wearer, n)
        boss.get(f"/admin/{path}/")
        with CaptureQueriesContext(connection) as queries:
            page(boss.get(f"/admin/{path}/"))
        counts.append(len(queries))
    assert counts[1] <= counts[0]


def test_counting_stops(wearer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.admin_base.MOST_LISTED", 3)
    for n in range(5):
        make_wearer(f"w{n}")
    assert BoundedPaginator(User.objects.order_by("pk"), 2).count == 3


def test_staff_see_those_whom_they_may_see(nurse: Client, wearer: User) -> None:
    other = make_wearer("user_002")
    mine, theirs = make_alert(wearer), make_alert(other)
    for user in (wearer, other):
        Device.objects.create(user=user, kind=f"watch-of-{user}")
    assert str(mine.pk) in (text := page(nurse.get("/admin/alerts/alert/")))
    assert str(theirs.pk) not in text
    assert nurse.get(f"/admin/alerts/alert/{theirs.pk}/change/").status_code == 302
    assert "watch-of-user_002" not in page(nurse.get("/admin/devices/device/"))
    assert "user_002" not in page(nurse.get("/admin/devices/user/"))


def test_the_page_to_sign_in_is_there() -> None:
    answer = Client().get("/admin/alerts/alert/?q=x", follow=True)
    assert 'name="password"' in page(answer)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/alerts/alert/%3Fq%3Dx"


def test_those_who_are_in_and_not_staff_are_told_so(wearer: User) -> None:
    assert client_of(wearer).get("/admin/", follow=True).status_code == 403


def test_alerts_are_acknowledged(nurse: Client, wearer: User) -> None:
    alert = make_alert(wearer)
    assert "1 acknowledged." in page(decide(nurse, "acknowledge", alert))
    change = AlertChange.objects.get()
    assert (change.by.username, change.became) == ("nurse", "acknowledged")


def test_closing_asks_for_the_reason(nurse: Client, wearer: User) -> None:
    first, second = make_alert(wearer), make_alert(wearer, rule=make_rule("hypoxia"))
    text = page(decide(nurse, "close", first, second))
    assert "Close 2 alerts" in text
    assert not AlertChange.objects.exists()
    assert "Select a valid choice" in page(decide(nurse, "close", first, second, decide="1", reason="tired"))
    text = page(decide(nurse, "close", first, second, decide="1", reason="benign", note="stairs"))
    assert "2 closed." in text
    assert set(Alert.objects.values_list("triage", "close_reason", "episode")) == {("closed", "benign", "firing")}


def test_a_snooze_that_is_too_long_for_one_is_named_and_the_others_sleep(nurse: Client, wearer: User) -> None:
    high = make_alert(wearer)
    critical = make_alert(wearer, rule=make_rule("hypoxia"), severity="CRITICAL", title="Hypoxia")
    text = page(decide(nurse, "snooze", high, critical, decide="1", minutes="60"))
    assert "1 snoozed." in text
    assert "Hypoxia of user_001: CRITICAL can be snoozed for 15 minutes at most." in text


def test_clinical_and_technical_alerts_are_snoozed_apart(nurse: Client, wearer: User) -> None:
    heart = make_alert(wearer)
    sensor = make_alert(wearer, rule=make_rule("sensor-off"), alert_class="technical", severity="LOW")
    text = page(decide(nurse, "snooze", heart, sensor, decide="1", minutes="15"))
    assert "Snooze clinical and technical alerts apart." in text
    assert set(Alert.objects.values_list("triage", flat=True)) == {"new"}
    assert "1 snoozed." in page(decide(nurse, "snooze", sensor, decide="1", minutes="15"))


def test_nobody_decides_about_others_or_without_the_right(nurse: Client, wearer: User) -> None:
    theirs = make_alert(make_wearer("user_002"))
    decide(nurse, "acknowledge", theirs)
    looker = make_user("looker", "view_alert", is_staff=True, watches=(wearer,))
    text = page(decide(client_of(looker), "acknowledge", make_alert(wearer)))
    assert 'value="acknowledge"' not in text
    assert not AlertChange.objects.exists()


def test_nobody_decides_about_their_own(nurse: Client) -> None:
    mine = make_alert(User.objects.get(username="nurse"))
    assert "You may not decide about these." in page(decide(nurse, "acknowledge", mine))
    assert not AlertChange.objects.exists()


def test_an_alert_cannot_be_edited_and_shows_its_history(nurse: Client, wearer: User) -> None:
    alert = make_alert(wearer)
    decide(nurse, "acknowledge", alert)
    text = page(nurse.get(f"/admin/alerts/alert/{alert.pk}/change/"))
    assert "acknowledge" in text
    assert 'name="_save"' not in text
    assert nurse.post(f"/admin/alerts/alert/{alert.pk}/change/", {"severity": "LOW"}).status_code == 403


def test_alerts_are_searched_and_filtered(nurse: Client, wearer: User) -> None:
    one, two = make_alert(wearer), make_alert(wearer, rule=make_rule("hypoxia"), title="Hypoxia", severity="LOW")
    for query, expected in {"q=hypox": {two}, "severity=HIGH": {one}, "q=ann": {one, two}, "q=%00": set()}.items():
        response = nurse.get(f"/admin/alerts/alert/?{query}")
        if expected:
            assert {a for a in (one, two) if str(a.pk) in page(response)} == expected


def test_a_devices_token_is_shown_once_and_never_kept(nurse: Client, wearer: User) -> None:
    device = Device.objects.create(user=wearer, kind="ring")
    data = {"action": "make_token", "_selected_action": [device.pk]}
    response = nurse.post("/admin/devices/device/", data)
    found = re.search(r"<code>(.+?)</code>", page(response))
    assert found is not None
    assert Device.objects.get().token_hash == secret_hash(found[1])
    assert "no-store" in response["Cache-Control"]
    assert found[1] not in page(nurse.get("/admin/devices/device/"))
    nurse.post("/admin/devices/device/", {"action": "revoke_tokens", "_selected_action": [device.pk]})
    assert Device.objects.get().token_hash is None


def test_an_edited_device_keeps_the_token_that_was_made_meanwhile(boss: Client, wearer: User) -> None:
    device = Device.objects.create(user=wearer, kind="ring")
    secret = device_token_make(device=device, at=NOON)
    given = {"user": wearer.pk, "kind": "ring", "external_id": "R1", "cadence_s": ""}
    boss.post(f"/admin/devices/device/{device.pk}/change/", given)
    assert (Device.objects.get().external_id, Device.objects.get().token_hash) == ("R1", secret_hash(secret))


@pytest.mark.parametrize("cadence_s", ["1e300", "0", "inf"])
def test_a_devices_cadence_is_one_that_silence_can_be_told_by(boss: Client, wearer: User, cadence_s: str) -> None:
    device = Device.objects.create(user=wearer, kind="apple_watch", cadence_s=5)
    edit = {"user": wearer.pk, "kind": "apple_watch", "external_id": "", "cadence_s": cadence_s}
    assert "cadence_s" in boss.post(f"/admin/devices/device/{device.pk}/change/", edit).context["adminform"].errors
    device.refresh_from_db()
    assert device.cadence_s == 5


def test_readings_are_those_of_a_person_and_a_time_by_page_and_never_counted(
    nurse: Client, wearer: User, django_assert_max_num_queries
) -> None:
    make_partitions(NOON)
    for n in range(103):
        at = NOON + timedelta(seconds=n)
        Reading.objects.create(user=wearer, recorded_at=at, received_at=at, event_id=uuid4(), heart_rate=100.0 + n)
    with django_assert_max_num_queries(11) as queries:
        text = page(nurse.get("/admin/devices/reading/?person=user_001"))
    assert not any("COUNT(" in query["sql"] for query in queries)
    assert ("<td>202.0</td>" in text, "<td>103.0</td>" in text, "<td>102.0</td>" in text) == (True, True, False)
    older = re.search(r'href="(\?[^"]+)">Older', text)
    assert older is not None
    text = page(nurse.get(f"/admin/devices/reading/{older[1]}"))
    assert ("<td>102.0</td>" in text, "<td>100.0</td>" in text, "<td>103.0</td>" in text) == (True, True, False)
    text = page(nurse.get("/admin/devices/reading/?person=user_001&until_0=2026-03-01&until_1=12:00:01"))
    assert ("<td>100.0</td>" in text, "<td>101.0</td>" in text) == (True, False)


@pytest.mark.parametrize("query", ["person=user_002", "person=nobody", "person=user_001&cursor=x", "person="])
def test_a_page_of_readings_that_is_not_there_says_so(nurse: Client, query: str) -> None:
    make_wearer("user_002")
    assert "errorlist" in page(nurse.get(f"/admin/devices/reading/?{query}"))


def test_readings_stand_among_the_models(boss: Client) -> None:
    assert "/admin/devices/reading/" in page(boss.get("/admin/"))


def hidden_in(html: str) -> dict[str, str]:
    """What a form sends besides what one sees."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))


def test_editing_a_rule_makes_a_version(boss: Client) -> None:
    page(boss.post("/admin/alerts/rule/add/", {"source": yaml(), "note": "new"}, follow=True))
    rule = Rule.objects.get()
    path = f"/admin/alerts/rule/{rule.pk}/change/"
    assert "heart_rate < 40" in page(boss.get(path))
    hidden = hidden_in(page(boss.get(path)))
    boss.post(path, {**hidden, "source": yaml(limit=45).replace("\n", "\r\n"), "note": "stricter"})
    assert [(v.number, v.source, v.made_by.username) for v in RuleVersion.objects.order_by("number")] == [
        (1, yaml(), "boss"),
        (2, yaml(limit=45), "boss"),
    ]


def test_nobody_overwrites_a_version_unseen_nor_makes_a_new_rule_over_another(boss: Client) -> None:
    boss.post("/admin/alerts/rule/add/", {"source": yaml(), "based_on": 0})
    path = f"/admin/alerts/rule/{Rule.objects.get().pk}/change/"
    hidden = hidden_in(page(boss.get(path)))
    boss.post(path, {**hidden, "source": yaml(limit=45)})
    late = boss.post(path, {**hidden, "source": yaml(limit=30)})
    assert "there is a version 2 of bradycardia already" in page(late)
    new = boss.post("/admin/alerts/rule/add/", {"source": yaml(limit=30), "based_on": 0})
    assert "there is a version 2 of bradycardia already" in page(new)
    assert RuleVersion.objects.count() == 2


def test_a_look_at_a_disabled_rule_that_is_saved_switches_it_not_on(boss: Client) -> None:
    boss.post("/admin/alerts/rule/add/", {"source": yaml()})
    rule = Rule.objects.get()
    rule_disable(rule=rule, by=None, at=timezone.now())
    path = f"/admin/alerts/rule/{rule.pk}/change/"
    said = page(boss.post(path, {**hidden_in(page(boss.get(path))), "source": yaml()}, follow=True))
    assert "v1 is off, and says the same." in said
    assert (Rule.objects.get().enabled, RuleVersion.objects.count()) == (False, 1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (yaml().replace("heart_rate", "pulse"), "6:7: "),
        (yaml("other"), "a rule keeps its id"),
        ("", "required"),
        ("a\x00b", "Null characters"),
    ],
)
def test_a_text_that_is_no_rule_is_told_where_and_saved_nowhere(boss: Client, source: str, said: str) -> None:
    boss.post("/admin/alerts/rule/add/", {"source": yaml()})
    path = f"/admin/alerts/rule/{Rule.objects.get().pk}/change/"
    assert said in page(boss.post(path, {"source": source}))
    assert RuleVersion.objects.count() == 1


def test_rules_are_disabled_and_enabled_and_never_deleted(boss: Client) -> None:
    boss.post("/admin/alerts/rule/add/", {"source": yaml()})
    rule = Rule.objects.get()
    for action, enabled in (("disable", False), ("enable", True)):
        boss.post("/admin/alerts/rule/", {"action": action, "_selected_action": [rule.pk]})
        assert Rule.objects.get().enabled is enabled
    assert boss.post(f"/admin/alerts/rule/{rule.pk}/delete/", {"post": "yes"}).status_code == 403


def test_what_was_refused_is_shown_without_doing_anything(boss: Client) -> None:
    message = QuarantinedMessage.objects.create(
        cluster_id="c", topic="t", partition=0, offset=1, reason="malformed_json", size=40, received_at=timezone.now(),
        payload=b"<script>alert(1)</script>\x00\xff\x1b[31m\xe2\x80\xae", key=b"user\x00",
    )  # fmt: skip
    response = boss.get(f"/admin/ingestion/quarantinedmessage/{message.pk}/change/")
    assert b"<script>alert(1)" not in response.content
    text = page(response)
    assert r"<script>alert(1)</script>\x00\xff\x1b[31m\u202e" in text
    assert "3c 73 63 72" in text
    assert boss.post("/admin/ingestion/quarantinedmessage/add/").status_code == 403


def test_what_a_refused_message_holds_is_for_who_may_see_it(wearer: User) -> None:
    message = QuarantinedMessage.objects.create(
        cluster_id="c", topic="t", partition=0, offset=1, reason="out_of_range", size=3, received_at=timezone.now(),
        payload=b"412", key=b"user_029",
    )  # fmt: skip
    path = f"/admin/ingestion/quarantinedmessage/{message.pk}/change/"
    some, all_ = ("view_quarantinedmessage", "view_payload"), ("view_all_wearers",)
    keeper, trusted = (make_user(name, *rights, is_staff=True) for name, rights in (("a", some), ("b", some + all_)))
    shown = [page(client_of(user).get(path)) for user in (keeper, trusted)]
    assert ["out_of_range" in text for text in shown] == [True, True]
    assert ["user_029" in text for text in shown] == [False, True]
    assert ["34 31 32" in text for text in shown] == [False, True]


def test_only_a_superuser_gives_rights(wearer: User) -> None:
    keeper = make_user("keeper", "view_user", "change_user", "view_all_wearers", is_staff=True)
    client = client_of(keeper)
    path = f"/admin/devices/user/{keeper.pk}/change/"
    assert 'name="is_superuser"' not in page(client.get(path))
    given = {"username": "keeper", "time_zone": "UTC", "is_superuser": "on", "is_staff": "on", "is_active": "on"}
    forms = {f"{name}-{field}": 0 for name in ("assignments", "watchers") for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    client.post(path, given | forms)
    assert not User.objects.get(pk=keeper.pk).is_superuser


def test_only_a_superuser_makes_changes_and_deletes_groups(boss: Client) -> None:
    group = Group.objects.create(name="keepers")
    rights = [f"{verb}_group" for verb in ("view", "add", "change", "delete")]
    keeper = client_of(make_user("keeper", *rights, is_staff=True))
    everybody = Permission.objects.get(codename="view_all_wearers")
    given = {"name": "seers", "permissions": [everybody.pk]}
    path = f"/admin/auth/group/{group.pk}/"
    assert "keepers" in page(keeper.get("/admin/auth/group/"))
    assert [keeper.post(to, given).status_code for to in ("/admin/auth/group/add/", f"{path}change/")] == [403] * 2
    assert keeper.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    keeper.post("/admin/auth/group/", {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"})
    assert list(Group.objects.values_list("name", "permissions")) == [("keepers", None)]
    assert boss.post(f"{path}change/", given).status_code == 302
    assert list(Group.objects.values_list("name", "permissions")) == [("seers", everybody.pk)]


@pytest.mark.parametrize("way", ["changed", "deleted", "deleted with others"])
def test_what_becomes_of_a_group_is_told_to_the_open_screens(
    boss: Client, way: str, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks
) -> None:
    told: list[str] = []
    monkeypatch.setattr("devices.admin.rights_changed", lambda: told.append(way))
    group = Group.objects.create(name="seers")
    path = "/admin/auth/group/"
    with django_capture_on_commit_callbacks(execute=True):
        if way == "changed":
            boss.post(f"{path}{group.pk}/change/", {"name": "keepers"})
        elif way == "deleted":
            boss.post(f"{path}{group.pk}/delete/", {"post": "yes"})
        else:
            boss.post(path, {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"})
    assert not Group.objects.filter(name="seers").exists()
    assert told == [way]


@pytest.fixture
def clerk(wearer: User) -> User:
    """Staff who see one wearer, change people and devices, and say who watches whom."""
    names = [f"{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in ("assignment", "device")]
    return make_user("clerk", "view_user", "change_user", *names, is_staff=True, watches=(wearer,))


def inlines(**rows: dict[str, object]) -> dict[str, object]:
    """The rows below a person's form, of each kind one at most; `id` says that it is there already."""
    given: dict[str, object] = {}
    for prefix in ("assignments", "watchers"):
        row = rows.get(prefix, {})
        given |= {f"{prefix}-TOTAL_FORMS": int(bool(row)), f"{prefix}-INITIAL_FORMS": int("id" in row)}
        given |= {f"{prefix}-0-{name}": value for name, value in row.items()}
    return given


def test_staff_let_nobody_watch_whom_they_may_not_see_themselves(clerk: User, wearer: User) -> None:
    other, seen = make_wearer("user_002"), make_wearer("user_003")
    Assignment.objects.create(analyst=clerk, wearer=seen)
    path, person = f"/admin/devices/user/{wearer.pk}/change/", {"username": "user_001", "time_zone": "UTC"}
    for row in ({"assignments": {"wearer": other.pk}}, {"watchers": {"analyst": other.pk}}):
        assert "Select a valid choice" in page(client_of(clerk).post(path, person | inlines(**row)))
    assert not Assignment.objects.exclude(analyst=clerk).exists()
    assert client_of(clerk).post(path, person | inlines(assignments={"wearer": seen.pk})).status_code == 302
    assert set(User.objects.visible_to(wearer)) == {wearer, seen}


def test_who_watches_a_person_stays_so_when_staff_who_do_not_see_them_change_the_person(
    clerk: User, wearer: User
) -> None:
    nina = make_user("nina", watches=(wearer,))
    found = Assignment.objects.get(analyst=nina)
    path = f"/admin/devices/user/{wearer.pk}/change/"
    assert "nina" in page(client_of(clerk).get(path))
    given = {"username": "user_001", "time_zone": "UTC", "display_name": "Anna"}
    row = {"id": found.pk, "wearer": wearer.pk, "analyst": clerk.pk}
    assert client_of(clerk).post(path, given | inlines(watchers=row)).status_code == 302
    wearer.refresh_from_db()
    assert (wearer.display_name, Assignment.objects.get(pk=found.pk).analyst) == ("Anna", nina)
    assert client_of(clerk).post(path, given | inlines(watchers=row | {"DELETE": "on"})).status_code == 302
    assert not Assignment.objects.filter(pk=found.pk).exists()


def test_people_are_offered_by_name_and_only_those_whom_staff_see(clerk: User, wearer: User) -> None:
    make_wearer("user_002")
    asked = "/admin/autocomplete/?app_label=devices&model_name={}&field_name={}"
    offered = client_of(clerk).get(asked.format("device", "user")).json()["results"]
    assert [each["text"] for each in offered] == ["clerk", "user_001"]
    for no_choice in (("user", "alerts"), ("device", "kind"), ("device", "none")):
        assert client_of(clerk).get(asked.format(*no_choice)).status_code == 403


def test_whom_somebody_watches_is_shown_to_who_may_see_them(clerk: User, boss: Client, wearer: User) -> None:
    Assignment.objects.create(analyst=wearer, wearer=make_wearer("user_002"))
    path = f"/admin/devices/user/{wearer.pk}/change/"
    assert ["user_002" in page(client.get(path)) for client in (client_of(clerk), boss)] == [False, True]


def test_a_device_is_given_to_nobody_whom_staff_may_not_see_and_stays_with_its_person(
    clerk: User, wearer: User
) -> None:
    other, client = make_wearer("user_002"), client_of(clerk)
    given = {"user": other.pk, "kind": "ring", "external_id": "R1", "cadence_s": ""}
    assert "Select a valid choice" in page(client.post("/admin/devices/device/add/", given))
    assert client.post("/admin/devices/device/add/", given | {"user": wearer.pk}).status_code == 302
    device = Device.objects.get()
    path = f"/admin/devices/device/{device.pk}/change/"
    assert client.post(path, given | {"external_id": "R2"}).status_code == 302
    device.refresh_from_db()
    assert (device.user, device.external_id) == (wearer, "R2")


@pytest.mark.parametrize("fields", [{"is_superuser": True, "is_staff": True}, {"is_staff": True}, {}])
def test_only_a_superuser_gives_a_password_to_who_has_rights(boss: Client, wearer: User, fields: dict) -> None:
    keeper = make_user("keeper", "view_user", "change_user", "view_all_wearers", is_staff=True)
    trusted = make_user("trusted", *([] if fields else ["add_readings"]), **fields)
    given = {"password1": "new horse battery", "password2": "new horse battery", "usable_password": "true"}
    for user, statuses in ((trusted, [403, 302]), (wearer, [302, 302])):
        path = f"/admin/devices/user/{user.pk}/password/"
        assert [client.post(path, given).status_code for client in (client_of(keeper), boss)] == statuses


def test_a_password_is_given_by_another_writing_of_the_number_too(boss: Client, wearer: User) -> None:
    given = {"password1": "new horse battery", "password2": "new horse battery", "usable_password": "true"}
    written = f"{wearer.pk}_0A"  # and the end of a line, as the admin quotes what is odd in an address
    before = wearer.password
    assert boss.post(f"/admin/devices/user/{written}/password/", given).status_code == 302
    wearer.refresh_from_db()
    assert wearer.password != before
    assert AuditEntry.objects.filter(verb=Verb.PASSWORD_CHANGED, person="user_001").exists()


def test_a_password_is_given_together_with_what_is_told_of_it_or_not_at_all(
    boss: Client, wearer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(admin_account, "sessions_end", broken)
    given = {"password1": "new horse battery", "password2": "new horse battery", "usable_password": "true"}
    before = (wearer.password, AuditEntry.objects.count())
    with pytest.raises(ConnectionError):
        boss.post(f"/admin/devices/user/{wearer.pk}/password/", given)
    wearer.refresh_from_db()
    assert (wearer.password, AuditEntry.objects.count()) == before


def test_nobody_is_deactivated_or_activated_past_the_page_that_ends_their_sessions(boss: Client, wearer: User) -> None:
    root, gone = User.objects.get(is_superuser=True), make_user("gone", is_active=False)
    forms = {f"{name}-{field}": 0 for name in ("assignments", "watchers") for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    for person, more in ((root, {}), (wearer, {}), (gone, {"is_active": "on"})):
        given = {"username": person.username, "time_zone": "UTC", "is_staff": "on", "is_superuser": "on"}
        assert boss.post(f"/admin/devices/user/{person.pk}/change/", given | forms | more).status_code == 302
    active = User.objects.filter(is_active=True).values_list("username", flat=True)
    assert sorted(active) == sorted([root.username, wearer.username])
    assert "under People on the website" in page(boss.get(f"/admin/devices/user/{gone.pk}/change/"))


def test_an_analyst_is_given_a_wearer(boss: Client, wearer: User) -> None:
    analyst = make_user("analyst")
    given = {
        "username": "analyst", "time_zone": "Europe/Vienna", "is_active": "on",
        "assignments-TOTAL_FORMS": 1, "assignments-INITIAL_FORMS": 0, "assignments-0-wearer": wearer.pk,
        "watchers-TOTAL_FORMS": 0, "watchers-INITIAL_FORMS": 0,
    }  # fmt: skip
    assert boss.post(f"/admin/devices/user/{analyst.pk}/change/", given).status_code == 302
    assert list(User.objects.wearers_visible_to(analyst)) == [wearer]
