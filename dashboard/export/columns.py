"""What a file of an export is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from dashboard.export.snapshot import Row, Rows
from devices.models import User


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: its name, its unit (UCUM) where it has one, and what it is; `field` is what it is read from
    where a model calls it otherwise."""

    name: str
    about: str
    unit: str = ""
    loinc: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A file: its name without the ending, what it holds, its columns, and the rows of it for a person."""

    name: str
    about: str
    columns: tuple[Column, ...]
    rows: Callable[[User], Rows]


def rows_by(
    rows: QuerySet[Any], key: tuple[str, ...], columns: Sequence[str], made: Callable[[Row], Row] = tuple
) -> Rows:
    """The rows in order of `key`, which an index has: of each what `made` makes of its `columns`."""
    return Rows(rows.order_by(*key).values_list(*columns), made)


def own(model: Any, field: str, person: User) -> QuerySet[Any]:
    """The rows of a model whose `field` is this person."""
    return model._default_manager.filter(**{field: person.pk})  # type: ignore[no-any-return]


def belonging(model: Any, field: str, *by: str) -> Callable[[User], QuerySet[Any]]:
    """Of a person: the rows of a model whose `field` they are, by `by`, which an index has; else as they came."""
    return lambda person: own(model, field, person).order_by(*by or ("pk",))


def listed(
    name: str,
    about: str,
    columns: tuple[Column, ...],
    rows: Callable[[User], QuerySet[Any]],
    made: Callable[[Row], Row] = tuple,
) -> Table:
    """A file of the rows of a model: a column a field, or what `made` makes of those."""
    fields = [column.field or column.name for column in columns]
    return Table(name, about, columns, lambda person: Rows(rows(person).values_list(*fields), made))
