"""The columns of the list of wearers: each person keeps which of them they read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dashboard.lists import Query
from devices.models import User
from devices.reader import unit_shown

Direction = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True)
class Column:
    """What a row shows of a person; `metrics` are those of its values, the first gives the unit. `sorts` are the orders
    of its head, by what they make of the column: the first is what a first click asks for."""

    name: str
    label: str
    metrics: Sequence[str] = ()
    is_number: bool = False
    sorts: Sequence[tuple[str, Direction]] = ()

    @property
    def unit(self) -> str:
        return unit_shown(self.metrics[0]) if self.metrics else ""


ALWAYS: Final = (
    Column("who", "Wearer", sorts=(("name", "ascending"), ("-name", "descending"))),
    Column("worst", "Worst open alert", sorts=(("worst", "descending"),)),
)
COLUMNS: Final = (
    Column("fault", "At fault", is_number=True),
    Column(
        "heart", "Heart rate", ("heart_rate",), is_number=True,
        sorts=(("heart", "descending"), ("-heart", "ascending")),
    ),
    Column("spark", "5 min"),
    Column("spo2", "SpO₂", ("spo2_percent",), is_number=True, sorts=(("spo2", "ascending"), ("-spo2", "descending"))),
    Column(
        "temperature", "Temp", ("body_temp_c", "skin_temp_c"), is_number=True,
        sorts=(("temperature", "descending"), ("-temperature", "ascending")),
    ),
    Column(
        "pressure", "Blood pressure", ("blood_pressure_systolic", "blood_pressure_diastolic"), is_number=True
    ),
    Column("seen", "Last seen", is_number=True, sorts=(("seen", "descending"), ("-seen", "ascending"))),
    Column("device", "Device"),
    Column("cadence", "Cadence"),
)  # fmt: skip
_NAMES: Final = frozenset(column.name for column in COLUMNS)


class UnknownColumnError(ValueError):
    """No column has that name, or none at all is named."""


def columns_shown(user: User) -> frozenset[str]:
    """The names of those that `user` reads, of COLUMNS."""
    return _NAMES.difference(user.hidden_columns)


def columns_choose(*, user: User, shown: Collection[str]) -> None:
    """Keep that `user` reads these of COLUMNS, and no others; raises UnknownColumnError.

    A form sends an empty name as well, so that no column can be told from no choice.
    """
    if not shown:
        raise UnknownColumnError("Which columns? An empty name stands for none.")
    if unknown := sorted(set(shown) - _NAMES - {""}):
        raise UnknownColumnError(f"There is no column {unknown[0]!r}.")
    hidden = [column.name for column in COLUMNS if column.name not in shown]
    User.objects.filter(pk=user.pk).update(hidden_columns=hidden)


@dataclass(frozen=True, slots=True)
class Head:
    """Above a column: the address of another order where it has one, and how the column is ordered now, if it is."""

    column: Column
    href: str
    direction: str


def heads(query: Query, shown: Collection[str]) -> list[Head]:
    """Those of the table, in order. A click on what the list is ordered by asks for the other way round."""
    columns = (*ALWAYS, *(column for column in COLUMNS if column.name in shown))
    return [_head(query, column, dict(column.sorts)) for column in columns]


def _head(query: Query, column: Column, directions: Mapping[str, Direction]) -> Head:
    others = [name for name in directions if name != query.sort.name]
    href = query.address(sort="" if others[0] == query.usual else others[0]) if others else ""
    return Head(column, href, directions.get(query.sort.name, ""))
