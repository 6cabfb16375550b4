"""In which units, and by which clock, the person reads who asked for a page; canonical ones and UTC where nobody did.

Pages are made in one request for one reader, so that the units are those of the request, as Django's time zone is.
"""

from contextvars import ContextVar
from datetime import datetime
from typing import Final

from django.utils import timezone

from devices.metrics import CANONICAL, METRICS, Shown, Units

_UNITS: Final[ContextVar[Units]] = ContextVar("units", default=CANONICAL)


def read_in(units: Units) -> None:
    """From here on, in this request, numbers are shown in these units."""
    _UNITS.set(units)


def units_now() -> Units:
    return _UNITS.get()


def shown_in(metric: str) -> Shown:
    """What values of a metric are read in."""
    return units_now().of(METRICS[metric].unit)


def value_shown(metric: str, value: float) -> float:
    return shown_in(metric).value(value)


def unit_shown(metric: str) -> str:
    """`bpm`, `°C` or `°F`."""
    shown = shown_in(metric)
    return METRICS[metric].shown if shown.is_canonical else shown.shown


def decimals_shown(metric: str) -> int:
    return METRICS[metric].decimals + shown_in(metric).more


def text_shown(metric: str, value: float) -> str:
    """A value with its decimals, without its unit."""
    return f"{value_shown(metric, value):.{decimals_shown(metric)}f}"


def axis_shown(metric: str) -> tuple[float, float] | None:
    axis = METRICS[metric].axis
    return None if axis is None else (value_shown(metric, axis[0]), value_shown(metric, axis[1]))


def conversions() -> dict[str, tuple[float, float, str]]:
    """By metric that is read in another unit: the factor, the zero and the unit as it is written, for scripts of
    pages."""
    found = {name: shown_in(name) for name in METRICS}
    return {name: (shown.factor, shown.zero, shown.shown) for name, shown in found.items() if not shown.is_canonical}


def clock_shown(at: datetime, *, seconds: bool = False) -> str:
    """A time of day by the reader's clock, and whose clock that is: `14:30 UTC`, `15:30 Vienna`."""
    return f"{local(at):{'%H:%M:%S' if seconds else '%H:%M'}} {zone_shown()}"


def reader_said() -> str:
    """In which units and by which clock all of that is read, for pages that stay open: `Cel,mmol/L Europe/Vienna`."""
    return f"{','.join(sorted(units_now().codes))} {timezone.get_current_timezone_name()}"


def local(at: datetime) -> datetime:
    """`at` by the reader's clock."""
    return timezone.localtime(at)


def zone_shown() -> str:
    """Whose clock it is: `UTC`, `Vienna`, `New York`."""
    return zone_named(timezone.get_current_timezone_name())


def zone_named(name: str) -> str:
    """What a zone is called: `New York`."""
    return name.rpartition("/")[2].replace("_", " ")
