"""Values in the units that somebody asks for; what is in another unit has another name.

What is stored and what rules read stays in the catalogue's own units: numbers are converted where they leave.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from devices.metrics import CONVERSIONS, METRICS, Units

CODES: Final = tuple(other.code for _, others in CONVERSIONS.values() for other in others)
CANONICAL_CODES: Final = tuple(CONVERSIONS)
_DISTANCES: Final = ("stddev", "mad")  # to which no zero point is added
_COUNTS: Final = ("count", "days", "values")


def units_read(text: str) -> Units:
    """The units of a list of UCUM codes, `mmol/L,[degF]`; raises ValueError for a code that no metric is read in."""
    codes = [code.strip() for code in text.split(",") if code.strip()]
    unknown = [code for code in codes if code not in (*CODES, *CANONICAL_CODES)]
    if unknown:
        raise ValueError(f"{unknown[0]}: there are {', '.join((*CANONICAL_CODES, *CODES))}.")
    return Units(frozenset(codes))


def shown_names(names: Sequence[str], units: Units) -> list[str]:
    """The names of columns: `blood_glucose_mg_dl` or `blood_glucose_mmol_l`, `avg_skin_temp_c` or `avg_skin_temp_f`."""
    return [units.renamed(name) if _metric(name) else name for name in names]


def shown_values(names: Sequence[str], units: Units) -> Callable[[Sequence[Any]], list[Any]]:
    """What makes values of columns of these names, in canonical units, to those of `units`."""
    each = [_converter(name, units) for name in names]
    changed = [(place, convert) for place, convert in enumerate(each) if convert is not None]

    def convert_row(values: Sequence[Any]) -> list[Any]:
        row = list(values)
        for place, convert in changed:
            if row[place] is not None:
                row[place] = convert(row[place])
        return row

    return convert_row


def shown_row(row: Mapping[str, Any], units: Units) -> dict[str, Any]:
    """A row by the names of its columns."""
    if units.are_canonical:
        return dict(row)
    names = list(row)
    return dict(zip(shown_names(names, units), shown_values(names, units)(list(row.values())), strict=True))


def shown_aggregates(metrics: Mapping[str, Mapping[str, Any]], units: Units) -> dict[str, dict[str, Any]]:
    """`{"skin_temp_c": {"count": 3, "avg": 33.0}}`, or `{"skin_temp_f": {"count": 3, "avg": 91.4}}`."""
    if units.are_canonical:
        return {name: dict(found) for name, found in metrics.items()}
    return {
        units.renamed(name): {kind: _aggregate(name, kind, value, units) for kind, value in found.items()}
        for name, found in metrics.items()
    }


def _aggregate(name: str, kind: str, value: Any, units: Units) -> Any:
    if value is None or kind in _COUNTS or name not in METRICS:
        return value
    shown = units.of(METRICS[name].unit)
    return shown.length(value) if kind in _DISTANCES else shown.value(value)


def _metric(name: str) -> str:
    """The metric of a column, by itself or behind the name of an aggregate; empty where it is another's."""
    behind = name.partition("_")[2]
    return name if name in METRICS else behind if behind in METRICS else ""


def _converter(name: str, units: Units) -> Callable[[float], float] | None:
    metric = _metric(name)
    if not metric or METRICS[metric].is_text or (name != metric and name.startswith(_COUNTS)):
        return None
    shown = units.of(METRICS[metric].unit)
    if shown.is_canonical:
        return None
    return shown.length if name != metric and name.startswith(_DISTANCES) else shown.value
