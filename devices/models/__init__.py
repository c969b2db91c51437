"""The models: devices, their two links, the history of both, keys, saved lists, and background jobs.

Every row carries its organization, so that access is scoped and the tables can be distributed by it.
"""

from devices.models.alert_rules import AlertRule, AlertStep, Condition, Severity
from devices.models.alert_targets import AlertMessage, AlertTarget, Held, LastRead, Told
from devices.models.device import UUID_PATTERN, Device, FrozenReason
from devices.models.device_links import DeviceLink
from devices.models.device_lists import DeviceList
from devices.models.heartbeat import Heartbeat
from devices.models.history import ConnectivityRecord, StatusChange
from devices.models.incidents import Incident, IncidentMember
from devices.models.jobs import Job, JobResult
from devices.models.keys import ApiKey, FormerKey
from devices.models.outages import Listening, ListeningProcess, Outage
from devices.models.quiet import Follow, MaintenanceWindow, Mute, QuietHours
from devices.models.rollups import FleetCount, FleetTally
from devices.models.saved import SavedView
from devices.models.search_document import Description
from devices.models.selection import SelectedDevice, Selection
from devices.models.signals import Listener, Signal, Teller
from devices.models.sources import MirroredDevice, MirroredFleet, Source, SourceOutage
from devices.models.verification import Verification
from devices.models.vpn_server import VpnServer

__all__ = [
    "UUID_PATTERN",
    "AlertMessage",
    "AlertRule",
    "AlertStep",
    "AlertTarget",
    "ApiKey",
    "Condition",
    "ConnectivityRecord",
    "Description",
    "Device",
    "DeviceLink",
    "DeviceList",
    "FleetCount",
    "FleetTally",
    "Follow",
    "FormerKey",
    "FrozenReason",
    "Heartbeat",
    "Held",
    "Incident",
    "IncidentMember",
    "Job",
    "JobResult",
    "LastRead",
    "Listener",
    "Listening",
    "ListeningProcess",
    "MaintenanceWindow",
    "MirroredDevice",
    "MirroredFleet",
    "Mute",
    "Outage",
    "QuietHours",
    "SavedView",
    "SelectedDevice",
    "Selection",
    "Severity",
    "Signal",
    "Source",
    "SourceOutage",
    "StatusChange",
    "Teller",
    "Told",
    "Verification",
    "VpnServer",
]
