"""What people's devices recorded: the whole collection where it lies beside the project (`shared/data`), else the
excerpts of `tests/data`."""

from pathlib import Path

EXCERPTS = Path(__file__).parent / "data"
WHOLE = next((at for folder in Path(__file__).parents if (at := folder / "shared" / "data").is_dir()), None)


def of_either(excerpt: str, *whole: str) -> list[Path]:
    """The files that these patterns find in the whole collection, else the excerpt."""
    if WHOLE is None:
        return [EXCERPTS / excerpt]
    return sorted(path for pattern in whole for path in WHOLE.glob(pattern))


BEDSIDE = of_either("bedside-monitor.csv.gz", "bedside/*.csv.gz")
LATE = of_either("late-strap.csv.gz", "late/*.csv.gz")
GLUCOSE = of_either("glucose-weeks.csv.gz", "cgm/*.csv.gz")
