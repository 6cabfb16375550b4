"""What is a wearer's own: their page, their settings, their devices and keys."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from alerts.services.triage import alert_acknowledge, alert_close
from devices.hashing import secret_hash
from devices.models import ApiToken, Device, Look, User
from devices.tokens import device_find, token_find, token_make
from tests.dashboard.pages import Visit, described
from tests.made import PASSWORD, make_alert, make_user

pytestmark = pytest.mark.django_db


def test_a_wearer_who_sees_nobody_else_is_led_to_their_own_page(visit: Visit, wearer: User, other: User) -> None:
    client = visit(wearer)
    assert client.get("/")["Location"] == "/wearers/user_001/"
    page = client.get("/", follow=True)
    nav = re.findall(r'data-name="([^"]+)"', page.text)
    assert nav == ["My data", "Alerts", "Settings"]
    assert "No alert was ever raised for you." in page.text
    assert 'data-part="pin"' not in page.text  # whom they would keep in view on an overview that they do not have
    for path in ("/wearers/user_001/", "/wearers/", "/alerts/", "/settings/", "/rules/"):
        assert "user_002" not in client.get(path).text, path


@pytest.mark.parametrize("who", ["watcher", "lead", "no wearer"])
def test_who_sees_others_or_wears_nothing_has_the_overview(visit: Visit, wearer: User, who: str) -> None:
    people = {
        "watcher": lambda: make_user("x", watches=(wearer,), is_wearer=True),
        "lead": lambda: make_user("x", "view_all_wearers", is_wearer=True),
        "no wearer": lambda: make_user("x"),
    }
    assert visit(people[who]()).get("/").status_code == 200


def test_their_alerts_say_whether_they_go_on_and_who_looks_after_them(
    visit: Visit, wearer: User, analyst: User
) -> None:
    now = timezone.now()
    alert = make_alert(wearer, opened_at=now)
    own, theirs = visit(wearer), visit(analyst)
    for path in ("/wearers/user_001/", f"/alerts/{alert.pk}/"):
        assert "Still going on. Nobody has looked at it yet." in own.get(path).text, path
        assert "Still going on." not in theirs.get(path).text, path
    stays = 'class="panel sticky-actions"'  # at the foot of a phone's screen: what can be pressed, and no sentence
    assert [stays in each.get(f"/alerts/{alert.pk}/").text for each in (own, theirs)] == [False, True]
    alert_acknowledge(alert=alert, by=analyst, at=now)
    assert "Still going on. analyst is looking after it." in own.get("/wearers/user_001/").text
    alert_close(alert=alert, by=analyst, at=now, reason="false_alarm")
    assert "analyst found it to be a false alarm." in own.get("/wearers/user_001/").text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("late", "because it was seen afterwards"),
        ("cooldown", "because it came soon after one like it"),
        ("muted", "because of planned activity"),
        ("expected", "because your readings were stopped on purpose"),
    ],
)
def test_they_read_why_nobody_was_told(visit: Visit, wearer: User, reason: str, words: str) -> None:
    make_alert(wearer, opened_at=timezone.now(), quiet=True, quiet_reason=reason)
    assert f"Nobody was told, {words}." in visit(wearer).get("/wearers/user_001/").text


def test_they_read_why_an_alert_was_taken_back(visit: Visit, wearer: User) -> None:
    for because, words in (("merged", "another one tells of the same"), ("evidence_gone", "later readings show that")):
        alert = make_alert(wearer, opened_at=timezone.now(), episode="withdrawn", withdrawn_because=because)
        assert f"Taken back: {words}" in visit(wearer).get(f"/alerts/{alert.pk}/").text


def test_a_token_is_shown_once_named_used_and_revoked(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    client.post(reverse("security-confirm"), {"password": PASSWORD})
    made = client.post(reverse("settings-token-new"), {"name": "my script"})
    secret = re.search(r"<code class=\"mono\">([\w-]{43})</code>", made.text)[1]
    token = ApiToken.objects.get()
    assert (token.name, token.token_hash) == ("my script", secret_hash(secret))
    later = client.get("/settings/")
    assert secret not in later.text
    assert "never used" in later.text
    token_find(secret=secret, at=timezone.now())
    assert "last used" in client.get("/settings/").text
    client.post(reverse("settings-token-revoke", args=[token.pk]))
    assert token_find(secret=secret, at=timezone.now()) is None


def test_a_token_without_a_name_is_not_made(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    client.post(reverse("security-confirm"), {"password": PASSWORD})
    answer = client.post(reverse("settings-token-new"), {"name": " "})
    assert (answer.status_code, ApiToken.objects.count()) == (400, 0)
    assert "what will use it?" in answer.text


def test_a_device_is_added_named_and_given_tokens(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    client.post(reverse("settings-device-new"), {"kind": "oura_ring", "name": ""})
    device = Device.objects.get(user=wearer)
    client.post(reverse("settings-device-name", args=[device.pk]), {"name": "Left hand"})
    made = client.post(reverse("settings-device-token", args=[device.pk]))
    assert "The token of Left hand" in made.text
    secret = re.search(r"<code class=\"mono\">([\w-]{43})</code>", made.text)[1]
    assert device_find(secret=secret) == device
    client.post(reverse("settings-device-revoke", args=[device.pk]))
    assert device_find(secret=secret) is None
    assert client.post(reverse("settings-device-new"), {"kind": "oura_ring"}).status_code == 409
    wrong = client.post(reverse("settings-device-new"), {"kind": "Oura Ring"})
    assert "Kind: Small letters" in wrong.text


def test_what_others_own_is_not_found(visit: Visit, wearer: User, analyst: User) -> None:
    device = Device.objects.create(user=wearer, kind="ring")
    token = token_make(user=wearer, at=timezone.now(), lifetime=timedelta(days=1)).token
    client = visit(analyst)
    for name, key in (
        ("settings-device-name", device.pk),
        ("settings-device-token", device.pk),
        ("settings-device-revoke", device.pk),
        ("settings-token-revoke", token.pk),
    ):
        assert client.post(reverse(name, args=[key]), {"name": "mine"}).status_code == 404, name
    device.refresh_from_db()
    assert (device.name, device.token_hash, ApiToken.objects.count()) == ("", None, 1)


def test_they_read_who_sees_them_and_who_looked(visit: Visit, wearer: User, analyst: User, lead: User) -> None:
    alert = make_alert(wearer, opened_at=timezone.now())
    for path in ("/wearers/user_001/", "/wearers/user_001/?range=5m", f"/alerts/{alert.pk}/"):
        visit(analyst).get(path)
    visit(lead).get("/api/v1/readings/?user_id=user_001")
    visit(wearer).get("/wearers/user_001/")
    seen = set(Look.objects.values_list("viewer__username", "way"))
    assert seen == {("analyst", "page"), ("analyst", "alert"), ("lead", "api")}
    assert Look.objects.count() == 3
    page = visit(wearer).get("/settings/").text
    assert "<b>analyst</b> watches you." in page
    assert "lead may see everybody" in " ".join(page.split())
    assert page.count("<td>their page</td>") == 1


def test_they_read_that_more_looked_than_are_shown_and_where_all_of_them_are(
    visit: Visit, wearer: User, analyst: User
) -> None:
    hours = [timezone.now() - timedelta(hours=back) for back in range(31)]
    Look.objects.bulk_create(Look(person=wearer, viewer=analyst, way="page", hour=at, at=at) for at in hours[:30])
    all_link = 'These are the newest 30. All of them: <a href="/wearers/user_001/export/looks.csv">'
    assert all_link not in " ".join(visit(wearer).get("/settings/").text.split())
    Look.objects.create(person=wearer, viewer=analyst, way="page", hour=hours[30], at=hours[30])
    assert all_link in " ".join(visit(wearer).get("/settings/").text.split())


def test_another_hour_is_another_look(visit: Visit, wearer: User, analyst: User) -> None:
    visit(analyst).get("/wearers/user_001/")
    earlier = timezone.now() - timedelta(hours=1)
    Look.objects.update(hour=earlier.replace(minute=0, second=0, microsecond=0), at=earlier)
    from django.core.cache import cache

    cache.clear()
    visit(analyst).get("/wearers/user_001/")
    assert Look.objects.count() == 2


def test_without_the_cache_a_look_is_still_noted_once(
    visit: Visit, wearer: User, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redis.exceptions import ConnectionError as Away

    def away(*_: object, **__: object) -> None:
        raise Away

    monkeypatch.setattr("devices.rights.looks.cache.get_many", away)
    monkeypatch.setattr("devices.rights.looks.cache.set_many", away)
    for _ in range(2):
        assert visit(analyst).get("/wearers/user_001/").status_code == 200
    assert Look.objects.count() == 1


def test_they_say_what_they_are_called_and_by_which_clock_they_live(visit: Visit, wearer: User) -> None:
    client = visit(wearer)
    wanted = {
        "display_name": "Erika",
        "time_zone": "Europe/Vienna",
        "glucose_unit": "mmol/L",
        "temperature_unit": "Cel",
    }
    client.post("/settings/", wanted | {"is_superuser": "on"})
    wearer.refresh_from_db()
    assert (wearer.display_name, wearer.time_zone, wearer.is_superuser) == ("Erika", "Europe/Vienna", False)
    assert wearer.units.of("mg/dL").code == "mmol/L"
    assert wearer.units.of("Cel").code == "Cel"
    assert "?units=Cel%2Cmmol/L" in client.get("/settings/").text
    wrong = client.post("/settings/", wanted | {"time_zone": "Mars/Base"})
    assert wrong.status_code == 400
    assert "Mars/Base is not one of the available choices" in described(wrong.text)["id_time_zone_error"]
