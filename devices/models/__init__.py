"""People, what they wear, what it said."""

from devices.models.audit import AuditEntry, Verb, Way
from devices.models.baseline import Baseline
from devices.models.device import Device
from devices.models.erasure import ErasedPerson, Erasure
from devices.models.invitation import Invitation
from devices.models.look import Look
from devices.models.mail import Mail
from devices.models.metric_window import MetricWindow
from devices.models.note import Note
from devices.models.person import Assignment, Team, TeamAnalyst, TeamWearer, User, named
from devices.models.pin import Pin
from devices.models.pipeline import BackgroundTick, Installation, PipelineStatus
from devices.models.reading import Reading
from devices.models.simulation import Simulation
from devices.models.token import ApiToken

__all__ = [
    "ApiToken",
    "Assignment",
    "AuditEntry",
    "BackgroundTick",
    "Baseline",
    "Device",
    "ErasedPerson",
    "Erasure",
    "Installation",
    "Invitation",
    "Look",
    "Mail",
    "MetricWindow",
    "Note",
    "Pin",
    "PipelineStatus",
    "Reading",
    "Simulation",
    "Team",
    "TeamAnalyst",
    "TeamWearer",
    "User",
    "Verb",
    "Way",
    "named",
]
