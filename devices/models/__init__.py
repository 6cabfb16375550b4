"""People, what they wear, what it said."""

from devices.models.baseline import Baseline
from devices.models.device import Device
from devices.models.metric_window import MetricWindow
from devices.models.person import Assignment, User, named
from devices.models.pipeline import Installation, PipelineStatus
from devices.models.reading import Reading
from devices.models.simulation import Simulation
from devices.models.token import ApiToken

__all__ = [
    "ApiToken",
    "Assignment",
    "Baseline",
    "Device",
    "Installation",
    "MetricWindow",
    "PipelineStatus",
    "Reading",
    "Simulation",
    "User",
    "named",
]
