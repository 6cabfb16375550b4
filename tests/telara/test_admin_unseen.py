"""The admin to staff who may look at every model: nothing of whom they may not see, on no page, by no question."""

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client

from alerts.models import Channel, Delivery, Incident, Mute, OutboxEntry, Route, Summary
from devices.models import ApiToken, Device, Erasure, Look, Mail, Note, Simulation, User
from ingestion.models import QuarantinedMessage
from telara.admin_config import admin_load
from tests.made import NOON, make_alert, make_user, make_wearer

pytestmark = pytest.mark.django_db
UNSEEN = "user_002"
OF_THE_HOUSE = {Simulation, QuarantinedMessage}  # they say who did something, and are of nobody
ADDRESS = "zebra@example.test"


@pytest.fixture
def other() -> User:
    return make_wearer(UNSEEN, display_name="Zebra", email=ADDRESS)


@pytest.fixture
def looker() -> User:
    """Staff who may look at every model, and at the data of one wearer."""
    looker = make_user("looker", is_staff=True, watches=(make_wearer("user_001"),))
    all_models = Permission.objects.filter(codename__startswith="view_")
    looker.user_permissions.set(all_models.exclude(codename__in=("view_all_wearers", "view_payload")))
    return looker


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def rows(other: User, looker: User) -> list[Model]:
    """One of each kind that tells of `other`; and a route of the looker's own, from when they saw them."""
    own, theirs = (
        Channel.objects.create(owner=owner, name=f"of {owner}", kind="webhook", shown="", sealed_address="x")
        for owner in (looker, other)
    )  # fmt: skip
    return [
        other,
        make_alert(other),
        Device.objects.create(user=other, kind="ring", external_id=f"of {UNSEEN}"),
        ApiToken.objects.create(user=other, token_hash="1", expires_at=NOON),
        Look.objects.create(person=other, viewer=other, way="page", at=NOON, hour=NOON),
        Mail.objects.create(user=other, address=ADDRESS, kind="news", what=f"of {UNSEEN}"),
        Note.objects.create(person=other, by=other, about=NOON, written_at=NOON, text=f"of {UNSEEN}"),
        Erasure.objects.create(user=other, username=UNSEEN, asked_at=NOON, due_at=NOON),
        Mute.objects.create(user=other, rules=[], starts_at=NOON, ends_at=NOON, why=f"of {UNSEEN}", made_at=NOON),
        Summary.objects.create(user=other, period="hour", start=NOON, readings=1, metrics={}, alerts={}, made_at=NOON),
        OutboxEntry.objects.create(alert_id=uuid4(), revision=1, key=UNSEEN, payload={"user_id": UNSEEN}),
        Incident.objects.create(
            user=other, alert_class="clinical", state="open", severity="HIGH", loud=True, started_at=NOON,
            noticed_at=NOON, changed_at=NOON,
        ),
        theirs,
        Route.objects.create(owner=other, channel=theirs),
        Route.objects.create(owner=looker, channel=own, wearer=other),
        Delivery.objects.create(channel=theirs, kind="test", made_at=NOON, next_at=NOON, note=f"of {UNSEEN}"),
    ]  # fmt: skip


def test_of_every_model_that_tells_of_people_there_is_a_row_here(rows: list[Model]) -> None:
    admin_load()
    models = {each for each in admin.site._registry if any(f.related_model is User for f in each._meta.concrete_fields)}
    assert models - OF_THE_HOUSE <= {type(row) for row in rows}


def names_them(client: Client, address: str) -> bool:
    text = unescape(client.get(address, follow=True).content.decode())
    return any(each in text for each in (UNSEEN, "Zebra", ADDRESS))


def test_no_page_names_whom_staff_may_not_see(looker: User, rows: list[Model]) -> None:
    admin_load()
    clients = [client_of(looker), client_of(User.objects.create_superuser("boss"))]
    lists = [f"/admin/{each._meta.app_label}/{each._meta.model_name}/" for each in admin.site._registry]
    assert [address for address in lists if names_them(clients[0], address)] == []
    of_rows = [f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/" for row in rows]
    for way in ("change", "history"):
        assert [address for address in of_rows if names_them(clients[0], f"{address}{way}/")] == []
    assert {address for address in of_rows if names_them(clients[1], f"{address}change/")} == set(of_rows), (
        "whoever sees everybody reads all of it"
    )


def test_what_an_alert_said_is_not_read_in_the_outbox(rows: list[Model]) -> None:
    entry = next(row for row in rows if isinstance(row, OutboxEntry))
    OutboxEntry.objects.update(payload={"description": "Heart rate above 100"})
    boss = client_of(User.objects.create_superuser("boss"))
    text = boss.get(f"/admin/alerts/outboxentry/{entry.pk}/change/").text
    assert (UNSEEN in text, "above 100" in text) == (True, False)


@pytest.mark.parametrize("question", [
    "ingestion/quarantinedmessage/?payload__contains=34", "ingestion/quarantinedmessage/?key__startswith=7573",
    "devices/mail/?address__startswith=z", "devices/user/?code_failures__gte=1", "devices/user/?alerts__isnull=0",
    "alerts/channel/?sealed_address__startswith=x", "alerts/outboxentry/?payload__description__contains=100",
    "devices/apitoken/?token_hash__startswith=1",
])  # fmt: skip
def test_nobody_asks_for_what_no_page_shows(question: str, looker: User) -> None:
    QuarantinedMessage.objects.create(
        cluster_id="c", topic="t", partition=0, offset=1, reason="out_of_range", size=3, received_at=NOON,
        payload=b"412", key=b"user_029",
    )  # fmt: skip
    assert client_of(looker).get(f"/admin/{question}").status_code == 400


def test_every_filter_that_is_offered_works(rows: list[Model]) -> None:
    admin_load()
    boss, asked = client_of(User.objects.create_superuser("boss")), 0
    Simulation.objects.create(runner="worker", starts_at=NOON, requested_at=NOON - timedelta(days=1))
    for model in admin.site._registry:
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for question in re.findall(
            r'<a href="(\?[^"]+)"', boss.get(address).text.partition('id="changelist-filter"')[2]
        ):
            assert boss.get(f"{address}{unescape(question)}").status_code == 200, question
            asked += 1
    assert asked > 50
