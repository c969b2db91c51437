"""A world in which everything that has a name, or was told by a device, tries to break out of its page."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from dashboard.models import User
from devices import clock, connectivity
from devices.models import (
    AlertRule,
    AlertTarget,
    ApiKey,
    Device,
    DeviceLink,
    DeviceList,
    Job,
    JobResult,
    MaintenanceWindow,
    SavedView,
    VpnServer,
)
from devices.operations import reports
from fleets.models import AuditEntry, Fleet, Organization
from tests.security.scan import HOSTILE


def make_hostile(text: str = HOSTILE) -> None:
    """Whatever the pages of a world show of what others wrote: this text, cut to what a field may hold."""
    at = clock.now()
    for model in (Organization, Fleet, Device, ApiKey, SavedView, DeviceLink, AlertTarget):
        write(model, text, "name")
    MaintenanceWindow.objects.update(title=text[:60], note=text, by_name=text[:255])
    AlertTarget.objects.update(last_error=text[:300])
    AlertRule.objects.filter(shipped="offline").update(name=text[:60])
    AlertRule.objects.update(note=text, broken=text[:255], scope={"tags": [{"key": text[:100]}]})
    write(Fleet, text, "device_type")
    write(Device, text, "device_type")
    Device.objects.update(notes=text, tags={text[:100]: text[:100]})
    DeviceLink.objects.update(template=text)
    write(User, text, "first_name", "last_name")
    write(Job, text, "title", "started_by_name", "cancelled_by_name")
    Job.objects.update(words=text)
    write(DeviceList, text, "file_name", "keys_by_name")
    User.objects.filter(username="colleague").update(email=f"{text[:200]}@people.example".lower())
    device = Device.objects.get(fleet__slug="kiosks")
    results(device, text)
    connectivity.record_heartbeats([device.pk], at)
    connectivity.vpn_connected(text[:255], [device.uuid], at)
    connectivity.vpn_disconnected(text[:255], [device.uuid], at)
    names = ("os_version", "supervisor_version", "release", "target_release", "provisioning_state")
    said: dict[str, Any] = dict.fromkeys(names, text[:255])
    said["provisioning_progress"] = 40
    said |= {"ip_addresses": [text[:255]], "mac_addresses": [text[:255]]}
    reports.apply_reports([(device.pk, said)], at)
    write(VpnServer, text, "name")
    for entry in AuditEntry.objects.all()[:3]:
        entry.pk, entry.subject_name, entry.actor_name = None, text[:255], text[:255]
        entry.before = entry.after = {"name": text, text: text}
        entry.save(force_insert=True)


def results(device: Device, text: str) -> None:
    """Of every job, one of each outcome."""
    of = {"organization_id": device.organization_id, "device_uuid": device.uuid}
    said = {"device_name": text[:255], "why": text[:255]}
    for job in Job.objects.all():
        for number, outcome in enumerate(JobResult.Outcome):
            JobResult.objects.create(job=job, device_id=number, outcome=outcome, **of, **said)


def write(model: type[Model], text: str, *names: str) -> None:
    lengths = {each.name: each.max_length for each in model._meta.fields if each.name in names}
    model._default_manager.update(**{name: text[:length] for name, length in lengths.items()})
