"""It takes whoever it remembers for its own, whoever else writes for them."""

from typing import Any

from ingestion.stream import pipeline
from ingestion.write.writers import Writer


def change() -> None:
    right = pipeline.people_changed

    def people_changed(known: Any, *, writer: int) -> Any:
        return right(known, writer=writer)[0], {}

    def others(*_: Any) -> dict[int, int | None]:
        return {}

    pipeline.people_changed = people_changed
    Writer.others = others  # type: ignore[method-assign]
