"""Forgetting a person: everything that any table holds of them, in transactions of a few thousand rows.

It begins with one transaction: the account loses its name, its rights and its password, the keyed hash of the name is
kept, and the worker that wrote for the person has it taken away (`ingestion.write.writers`), so that its transactions
are over. What comes for the name from then on is refused, and nothing is added to what there is. Then batch after
batch is deleted, and at last the account. Whoever is killed leaves nothing behind but what the next one goes on with.

Which tables there are is asked of the models: what belongs to a person by a foreign key that cascades is found here
without being named. `ingestion.erasure_traces` names the rest: what knows people by their name alone.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any, Final

import structlog
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection, transaction
from django.db.models import CASCADE, DO_NOTHING, ForeignObjectRel, Model, Q

from alerts.models import Alert, OutboxEntry
from devices.erasures import erased_remember, erasures_tried
from devices.failpoints import reach
from devices.models import Erasure, Reading, User
from devices.partitions import TABLE
from ingestion.erasure_traces import trace_remove
from ingestion.models import LateStretch
from ingestion.write.writers import Writer

log = structlog.get_logger(__name__)
ROWS: Final = 5_000  # of plain tables a transaction
OWNERS: Final = 200  # rows a transaction where others hang on them, which go with them
SECONDS: Final = 5.0  # a step; the next one goes on from there

# Up to the row that ends a batch, along the key: the partitions have no other index.
_READINGS: Final = f"""
DELETE FROM {TABLE} WHERE user_id = %(user)s AND recorded_at <= coalesce((
    SELECT recorded_at FROM {TABLE} WHERE user_id = %(user)s ORDER BY recorded_at, event_id OFFSET %(rows)s LIMIT 1
), 'infinity')
"""
_SOME: Final = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {column} = %s LIMIT %s))
"""


@dataclass(frozen=True, slots=True)
class _Belongs:
    """A table whose rows are a person's, by this column; `holds`: rows of other tables go with them."""

    model: type[Model]
    column: str
    field: str
    holds: bool


def erasures_step(*, now: datetime, seconds: float = SECONDS) -> int:
    """Go on with every erasure that is due at `now`, for so many seconds; how many began or came to their end.

    Raises ExceptionGroup, once all others had their turn, where one could not go on; its row says so, too.
    """
    ends, changed, well = time.monotonic() + seconds, 0, []
    broken: dict[int, Exception] = {}
    due = Erasure.objects.filter(Q(due_at__lte=now) | Q(begun_at__isnull=False)).order_by("due_at")
    for user_id in list(due.values_list("pk", flat=True)):
        try:
            changed += _step(user_id, now, ends)
            well.append(user_id)
        except Exception as error:  # noqa: BLE001  # raised below: one that fails must not hold up who waits behind it
            log.error("erasure.failed", error=type(error).__name__)
            broken[user_id] = error
    if well or broken:
        erasures_tried(broken={each: type(error).__name__ for each, error in broken.items()}, well=well, at=now)
    if broken:
        raise ExceptionGroup("Some erasures could not go on.", list(broken.values()))
    return changed


def _step(user_id: int, now: datetime, ends: float) -> int:
    """One person's; `ends` is a monotonic time."""
    changed = int(erasure_begin(user_id=user_id, at=now))
    while time.monotonic() < ends:
        left = erasure_go_on(user_id=user_id)
        if not left:
            return changed + (left is False)
    return changed


def erasure_begin(*, user_id: int, at: datetime) -> bool:
    """Take a person's name, rights and password away, and remember the hash of the name they have now, which may have
    been edited since they asked; False where that is done, or taken back.

    Raises OperationalError where the worker that writes for them does not let go of them within a few seconds.
    """
    writer = Writer()

    def work() -> bool:
        if Erasure.objects.select_for_update().filter(pk=user_id, begun_at__isnull=True).first() is None:
            return False
        writer.take(writer.others({user_id}))
        name = User.objects.select_for_update().values_list("username", flat=True).get(pk=user_id)
        nobody: dict[str, Any] = dict.fromkeys(("display_name", "first_name", "last_name", "email"), "")
        User.objects.filter(pk=user_id).update(
            **nobody,
            username=f"erased-{token_hex(16)}",
            password=UNUSABLE_PASSWORD_PREFIX + token_hex(20),
            is_active=False,
            is_wearer=False,
            is_staff=False,
            is_superuser=False,
        )
        LateStretch.objects.filter(user_id=user_id).delete()
        erased_remember(name=name, at=at)
        Erasure.objects.filter(pk=user_id).update(begun_at=at, username=name)
        return True

    begun = writer.transact(work)
    if begun:
        log.info("erasure.begun")
    return begun


def erasure_go_on(*, user_id: int) -> bool | None:
    """Delete one batch: True where there may be more, False once the account is gone too; None where somebody else is
    at it, or there is nothing to do."""
    with transaction.atomic(durable=True):
        begun = Erasure.objects.filter(pk=user_id, begun_at__isnull=False)
        erasure = begun.select_for_update(skip_locked=True).select_related("user").first()
        if erasure is None:
            return None
        more = _readings_remove(user_id) or _belongings_remove(user_id) or trace_remove(erasure, rows=ROWS)
        if not more:
            _account_remove(user_id)
        reach("erasure_before_commit")
    reach("erasure_after_commit")
    if not more:
        log.info("erasure.ended")
    return more


def _readings_remove(user_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_READINGS, {"user": user_id, "rows": ROWS - 1})
        return bool(cursor.rowcount)


def _belongings_remove(user_id: int) -> bool:
    return any(_some_remove(each, user_id) for each in belongings())


def belongings() -> Iterator[_Belongs]:
    """The tables whose rows belong to a person and go with them, but for their readings and their wish to be erased."""
    for relation in User._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ForeignObjectRel) or relation.many_to_many:
            continue
        model = relation.related_model
        goes = getattr(relation, "on_delete", None) in (CASCADE, DO_NOTHING)
        if goes and isinstance(model, type) and model not in (Reading, Erasure):
            field = relation.field
            holds = any(isinstance(each, ForeignObjectRel) for each in model._meta.get_fields(include_hidden=True))
            yield _Belongs(model, str(field.column), field.name, holds)


def _some_remove(of: _Belongs, user_id: int) -> bool:
    """Delete some rows of a table; whether there were any."""
    if not of.holds:
        with connection.cursor() as cursor:
            query = _SOME.format(table=of.model._meta.db_table, column=of.column)
            cursor.execute(query, [user_id, ROWS])
            return bool(cursor.rowcount)
    rows = of.model._default_manager.filter(**{of.field: user_id})
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:OWNERS])
    if of.model is Alert:
        OutboxEntry.objects.filter(alert_id__in=keys).delete()
    of.model._default_manager.filter(pk__in=keys).delete()
    return bool(keys)


def _account_remove(user_id: int) -> None:
    """The account, and what came to belong to it in the meantime: whoever adds to it waits for its lock, and finds
    nobody."""
    account = User.objects.select_for_update().filter(pk=user_id).first()
    if account is not None:
        account.delete()
