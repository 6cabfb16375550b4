"""What goes with old readings."""

from datetime import datetime

from devices.models import MetricWindow


def windows_drop(*, before: datetime) -> int:
    """Drop the windows that ended by then; how many."""
    return MetricWindow.objects.filter(ended_at__lte=before).delete()[0]
