"""What happens in random lives of devices, told to the model and to the product alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import strategies as st

from devices import connectivity
from devices.background import vpn_following
from devices.connectivity import moving, outages
from devices.models import Device, Job
from tests.devices.lives.model import Model
from tests.devices.lives.model_device import ModelDevice
from tests.factories import T0, make_fleet, seconds
from tests.still import stand_still

UUIDS = [f"{number:032x}" for number in range(1, 5)]
INTERVALS = st.sampled_from([10, 60])  # seconds
# Instants on the boundaries: P = 10 s, so late after 15 s and lost after 30 s; leases end after 60 s.
STEPS = st.sampled_from([0, 0, 1, 5, 10, 14.999999, 15, 15.000001, 29.999999, 30, 59.999999, 60, 61, 90])


@dataclass(frozen=True)
class Event:
    kind: str
    device: int
    server: str
    word: str  # session, or boot
    listed: tuple[int, ...] | None
    step: float
    sign: bool  # left where the ingest did not fall silent


events = st.builds(
    Event,
    kind=st.sampled_from(
        ["poll"] * 3 + ["connect"] * 3 + ["stale", "disconnect", "alive", "alive", "settle", "sign", "follow"]
    ),
    device=st.integers(0, 3),
    server=st.sampled_from(["vpn-1", "vpn-2"]),
    word=st.sampled_from(["", "", "a", "b"]),
    listed=st.one_of(st.none(), st.none(), st.sets(st.integers(0, 3)).map(lambda them: tuple(sorted(them)))),
    step=STEPS,
    sign=st.booleans(),
)
devices: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    frozen=st.sampled_from([False, False, False, False, True]),
    active=st.sampled_from([True, True, True, False]),
    provisioned=st.booleans(),
    state=st.sampled_from(["", "", "", "", "Post-Provisioning"]),
    provisioning=st.sampled_from([None, None, None, None, 0, 40]),
    update=st.sampled_from([None, None, None, 0, 70]),
    own_vpn=st.sampled_from([None, None, None, True, False]),
)
fleets_vpn: st.SearchStrategy[bool | None] = st.sampled_from([True, None, None, False])


def short_passes(context: pytest.MonkeyPatch) -> None:
    """Have the deadlines of an interval of 60 s move in several passes, as those of an hour do."""
    context.setattr(moving, "LEAD", seconds(20))
    context.setattr(moving, "PORTION", 1)


def tell(model: Model, event: Event, at: datetime) -> None:
    """The same event to the model and to the product."""
    uuid = UUIDS[event.device]
    listed = None if event.listed is None else [UUIDS[number] for number in event.listed]
    match event.kind:
        case "poll":
            model.poll(uuid, at)
            device = Device.objects.only("pk").get(uuid=uuid)
            connectivity.record_heartbeats([device.pk], at)
        case "stale":  # a poll that overtook another: older than the stored one, or as old
            if model.devices[uuid].last_poll:
                device = Device.objects.only("pk").get(uuid=uuid)
                assert connectivity.record_heartbeats([device.pk], model.devices[uuid].last_poll) == 0
        case "connect":
            model.connect(event.server, uuid, event.word, at)
            connectivity.vpn_connected(event.server, [uuid], at, sessions={uuid: event.word})
        case "disconnect":
            model.disconnect(event.server, uuid, event.word, at)
            connectivity.vpn_disconnected(event.server, [uuid], at, sessions={uuid: event.word})
        case "alive":
            model.alive(event.server, event.word, listed, at)
            connectivity.vpn_alive(event.server, listed, at, boot=event.word)
        case "settle":  # changes nothing that is shown
            connectivity.settle(at)
        case "sign":
            leave_sign(model, at)
        case "follow":
            model.follow(at)
            follow(at)


def follow(at: datetime) -> None:
    """What a worker does with the jobs of fleets that began to use the VPN, at this clock."""
    with pytest.MonkeyPatch.context() as context:
        stand_still(context, at)
        for job in Job.objects.filter(state=Job.State.WAITING):
            while vpn_following.follow_next(job):
                pass
            Job.objects.filter(pk=job.pk).update(state=Job.State.DONE, finished_at=at)


def leave_sign(model: Model, at: datetime) -> None:
    model.leave_sign(at)
    outages.record_liveness(at)


def listen(model: Model, since: datetime, at: datetime) -> None:
    """A liveness sign every few seconds, as long as nobody is away."""
    while since < at:
        since = min(at, since + seconds(5))
        leave_sign(model, since)


def make(fields: list[dict[str, Any]], *, vpn: bool | None = True, interval: int = 10) -> Model:
    """Devices of two fleets, of which somebody has said that about the VPN, or nobody anything."""
    fleet = make_fleet(poll_interval=interval, vpn_enabled=vpn)
    paid = make_fleet(fleet.organization, poll_interval=interval, type="paid", vpn_enabled=vpn)  # freezes
    made = [ModelDevice(uuid, T0, interval, **each) for uuid, each in zip(UUIDS, fields, strict=True)]
    for device in made:
        device.fleet = "paid" if device.frozen else ""
        device.vpn_wanted = bool(vpn if device.own_vpn is None else device.own_vpn)
    model = Model(made, {"": vpn, "paid": vpn})
    for device in made:
        Device.objects.create(
            fleet=paid if device.frozen else fleet,
            uuid=device.uuid,
            created_at=T0,
            frozen_reason="fleet-type" if device.frozen else "",
            is_active=device.active,
            provisioned_at=T0 if device.provisioned else None,
            provisioning_state=device.state,
            provisioning_progress=device.provisioning,
            update_progress=device.update,
            vpn_setting=device.own_vpn,
            vpn_enabled=device.vpn_wanted,
        )
    return model
