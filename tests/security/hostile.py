"""A world in which everything that has a name, or was told by a device, tries to break out of its page."""

from __future__ import annotations

from typing import Any

from dashboard.models import User
from devices import clock, connectivity, reports
from devices.models import ApiKey, Device, DeviceList, Job, SavedView, VpnServer
from fleets.models import AuditEntry, Fleet, Organization
from tests.security.scan import HOSTILE


def make_hostile() -> None:
    """Whatever the pages of a world show of what others wrote."""
    at = clock.now()
    for model in (Organization, Fleet, Device, ApiKey, SavedView):
        model._default_manager.update(name=HOSTILE)
    Job.objects.update(title=HOSTILE, started_by_name=HOSTILE)
    DeviceList.objects.update(file_name=HOSTILE)
    Device.objects.update(notes=HOSTILE, tags={HOSTILE: HOSTILE}, device_type=HOSTILE)
    User.objects.update(first_name=HOSTILE, last_name=HOSTILE)
    User.objects.filter(username="colleague").update(email=f"{HOSTILE}@people.example")
    device = Device.objects.get(fleet__slug="kiosks")
    connectivity.record_heartbeats([device.pk], at)
    connectivity.vpn_connected(HOSTILE, [device.uuid], at)
    connectivity.vpn_disconnected(HOSTILE, [device.uuid], at)
    said: dict[str, Any] = dict.fromkeys(
        ("os_version", "supervisor_version", "release", "target_release"), HOSTILE
    )
    said |= {"ip_addresses": [HOSTILE], "mac_addresses": [HOSTILE], "provisioning_state": HOSTILE}
    reports.apply_reports([(device.pk, said)], at)
    VpnServer.objects.update(name=HOSTILE)
    hostile = {"name": HOSTILE, HOSTILE: HOSTILE}
    for entry in AuditEntry.objects.all()[:3]:
        entry.pk, entry.subject_name, entry.actor_name = None, HOSTILE, HOSTILE
        entry.before = entry.after = hostile
        entry.save(force_insert=True)
