"""Virtual devices against the real ingest and a real database."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q

from dashboard import listen
from dashboard.demo import site as demo
from devices.connectivity import outages
from devices.connectivity.outages import LIVENESS_EVERY
from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from devices.models import Device, Heartbeat, Listening, StatusChange, VpnServer
from devices.rules.vocabulary import Status
from devices.simulator.client import Stats
from devices.simulator.run import Options, simulate
from devices.simulator.scenarios import SERVERS
from devices.status.reading import with_status
from tests.devices.ingest.server import serving

MOMENT = timedelta(microseconds=1)
PATIENCE = 60.0  # seconds that a busy machine may need


@pytest.fixture
def url(transactional_db: None) -> Iterator[str]:
    with serving(Ingest(CALLS)) as port:
        yield f"http://{listen.HOST}:{port}"


def lived(
    url: str, directory: Path, *, devices: int, seconds: float, enough: Callable[[], bool] = lambda: True
) -> Stats:
    """The demo's devices at 40 times the pace, polling each second: after a while, once it is `enough`."""
    demo.make(directory / "demo.json")
    options = Options(
        url=url,
        keys=directory / "demo.json",
        state=directory / "simulator.json",
        devices=devices,
        poll_interval=1,
        speed=40,
        duration=PATIENCE,
    )

    def looked() -> bool:
        try:
            return enough()
        finally:
            connection.close()  # this thread's own

    async def live() -> Stats:
        over = asyncio.Event()
        living = asyncio.create_task(simulate(options, lambda line: None, over))
        await asyncio.sleep(seconds)
        while not living.done():
            if await asyncio.to_thread(looked):
                break
            await asyncio.sleep(0.3)
        over.set()
        return await living

    return asyncio.run(live())


@pytest.mark.thorough
def test_the_site_takes_what_virtual_devices_say(url: str, tmp_path: Path) -> None:
    # Offline takes 30 s, unless the power goes before the first poll.
    wanted = set(Status.values) - {Status.OFFLINE, Status.INACTIVE}
    stats = lived(
        url, tmp_path, devices=24, seconds=7, enough=lambda: all_told() and went_through() >= wanted
    )
    assert set(stats.errors) <= {"403"}  # what a frozen device reports is refused
    assert stats.calls["register"] == 24
    own = Device.objects.exclude(provisioned_at=None).exclude(name=demo.RETIRED)
    assert own.count() == 24 + len(demo.FROZEN)
    named = set(own.values_list("name", flat=True))
    assert {"kiosk-central-01", "tram-101", "validator-01", "display-p1a", *demo.FROZEN} <= named
    for device in own.filter(frozen_reason=""):
        assert device.supervisor_version
        assert device.ip_addresses
        assert device.metrics["memory_total"] > device.metrics["memory_used"] > 0
        assert device.first_contact_at
    for row in with_status(own.exclude(frozen_reason="")).values():
        assert (row["status"], row["heartbeat"], row["vpn"]) == (Status.FROZEN, "recent", True)
    assert own.filter(vpn_enabled=False, vpn_changed_at=None).count() == 1
    assert went_through() - {Status.OFFLINE} == wanted


def all_told() -> bool:
    """Whether every device has said all it says of itself."""
    devices = Device.objects.exclude(provisioned_at=None).exclude(name=demo.RETIRED).filter(frozen_reason="")
    silent = devices.filter(Q(supervisor_version="") | Q(metrics={}) | Q(ip_addresses=[]))
    return not silent.exists() and devices.count() >= 24


def went_through() -> set[str | None]:
    """The statuses that devices had since they registered themselves."""
    own = Device.objects.exclude(provisioned_at=None).exclude(name=demo.RETIRED)
    return set(StatusChange.objects.filter(device__in=own).values_list("after", flat=True))


@pytest.mark.thorough
def test_silence_shows_at_its_deadlines_to_the_moment(transactional_db: None, tmp_path: Path) -> None:
    """The simulator is gone, we listen, and nothing else runs: every device decays by the clock."""
    with serving(Ingest(CALLS)) as port:
        url = f"http://{listen.HOST}:{port}"
        lived(url, tmp_path, devices=12, seconds=3)
    devices = Device.objects.filter(frozen_reason="", provisioning_state="", heartbeat_state="recent")
    polls = Heartbeat.objects.filter(device__in=devices.exclude(name=demo.RETIRED))
    leases = [each.lease_until for each in VpnServer.objects.all() if each.lease_until]
    assert len(leases) == len(SERVERS)
    end = max(*leases, *(poll.lost_at for poll in polls))
    assert polls.count() >= 8
    listen_until(end)
    for poll in polls:
        for deadline, before, after in (
            (poll.late_at, "recent", "late"),
            (poll.lost_at, "late", "lost"),
        ):
            assert shown(poll, deadline - MOMENT)["heartbeat"] == before
            assert shown(poll, deadline)["heartbeat"] == after
        assert poll.late_at - poll.last_poll_at == timedelta(seconds=15)
        assert shown(poll, end)["status"] == Status.OFFLINE
        assert shown(poll, end)["status_since"] <= end


def listen_until(end: datetime) -> None:
    """As an ingest that nobody calls: without its liveness sign nothing passes by the clock."""
    at = Listening.objects.get().pulse_at
    while at < end:
        at += timedelta(seconds=LIVENESS_EVERY)
        outages.record_liveness(at)


def shown(poll: Heartbeat, at: datetime) -> Mapping[str, Any]:
    """What a page would show of the device at this moment."""
    return with_status(Device.objects.filter(pk=poll.device_id), at).values().get()
