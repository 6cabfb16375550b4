"""It notes how far it is before it has stored."""

from typing import Any

from django.db import transaction

from ingestion.stream.pipeline import Pipeline
from ingestion.write.ledger import advance, fence


def change() -> None:
    right = Pipeline._transact

    def transact(self: Pipeline, batch: Any, prepared: Any, *, first: Any, claims: Any, at: Any) -> Any:
        with transaction.atomic(durable=True):
            fence(first, claims, owner=self._owner)
            advance(batch.next, owner=self._owner)
        return right(self, batch, prepared, first=batch.next, claims=claims, at=at)

    Pipeline._transact = transact
