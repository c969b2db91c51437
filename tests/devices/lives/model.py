"""A small model of domain.md, written from its text and sharing no code with the product.

It lives through events in order; reading it at a later clock plays the deadlines that pass until then.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.devices.lives.model_device import LEASE, ModelDevice, ModelServer

GRACE = timedelta(seconds=15)
GAP = timedelta(seconds=10)


class Model:
    """Devices and VPN servers, and what each event does to them."""

    def __init__(self, devices: list[ModelDevice], fleets_vpn: dict[str, bool | None] | None = None) -> None:
        self.devices = {device.uuid: device for device in devices}
        self.fleets_vpn = fleets_vpn or {}  # None: not set; True is what a fleet without a word says
        self.servers: list[ModelServer] = []
        self.last_sign_at: datetime | None = None
        self.outages: list[tuple[datetime, datetime]] = []
        for device in devices:
            device.statuses.append((device.created, device.status()))

    # What passes by the clock

    def deadlines(self) -> Iterator[tuple[datetime, int, ModelServer | ModelDevice]]:
        """At the same moment a heartbeat passes before a lease, and no status between them lasts no time."""
        for number, device in enumerate(self.devices.values()):
            if device.heartbeat == "recent" and device.late_at:
                yield device.late_at, number, device
            elif device.heartbeat == "late" and device.lost_at:
                yield device.lost_at, number, device
        for server in self.servers:
            if server.alive and server.lease_until:
                yield server.lease_until, 1000 + server.number, server

    def heard(self, at: datetime) -> datetime:
        """The clock of a reading: in an outage of ours its start."""
        if self.last_sign_at and at - self.last_sign_at > GAP:
            return self.last_sign_at
        return next((start for start, end in self.outages if start < at < end), at)

    def pass_until(self, at: datetime) -> None:
        at = self.heard(at)
        while due := sorted((each for each in self.deadlines() if each[0] <= at), key=lambda each: each[:2]):
            moment, _, what = due[0]
            if isinstance(what, ModelServer):
                what.alive = False
                for device in self.devices.values():
                    if device.owner is what and device.vpn:
                        self._vpn(device, up=False, at=moment)
                        device.note(moment)
            else:
                self._beat(what, "late" if what.heartbeat == "recent" else "lost", moment)
                what.note(moment)

    def read(self, at: datetime) -> Model:
        """What it is at that clock, without living until then."""
        later = copy.deepcopy(self)
        later.pass_until(at)
        return later

    def next_change(self, uuid: str, at: datetime) -> tuple[str, datetime] | tuple[None, None]:
        """The first change of status that the clock brings after `at` if nothing arrives.

        A lease counts only once the server's sign, due every 10 s, is 20 s overdue.
        """
        later = self.read(at)
        if self.heard(at) != at:
            return None, None
        later.last_sign_at = None  # from now on we listen
        for server in later.servers:
            if server.lease_until and server.lease_until - LEASE > at - timedelta(seconds=30):
                server.lease_until = None
        before = later.devices[uuid].status()
        while due := [moment for moment, _, _ in later.deadlines()]:
            later.pass_until(min(due))
            if (status := later.devices[uuid].status()) != before:
                return status, min(due)
        return None, None

    # What is told

    def leave_sign(self, at: datetime, *, skipped: bool = False) -> None:
        """We listen. After an outage, what had not passed at its start begins anew.

        So it does where the clock skipped a while, however short.
        """
        if self.last_sign_at and (skipped or at - self.last_sign_at > GAP):
            self.pass_until(self.last_sign_at)
            self.outages.append((self.last_sign_at, at))
            for device in self.devices.values():
                if device.heartbeat == "recent" and device.late_at:
                    window = timedelta(seconds=math.ceil(1.5 * device.interval))
                    device.late_at = max(device.late_at, at + window)
                    device.lost_at = device.late_at + GRACE
                elif device.heartbeat == "late":
                    device.lost_at = at + GRACE
            for server in self.servers:
                if server.alive and server.lease_until:
                    server.lease_until = max(server.lease_until, at + LEASE)
        self.last_sign_at = at

    def set_back(self, at: datetime) -> None:
        """The clock was set back to `at`, all that had passed being recorded: nothing lies ahead of it."""
        self.last_sign_at = at
        self.outages = [(start, min(end, at)) for start, end in self.outages if start < at]
        for device in self.devices.values():
            device.statuses = [(min(moment, at), status) for moment, status in device.statuses]
            device.links = [(min(moment, at), link, state) for moment, link, state in device.links]
            device.vpn_since = device.vpn_since and min(device.vpn_since, at)
            device.heartbeat_since = device.heartbeat_since and min(device.heartbeat_since, at)
            self._polled_by(device, at)
        for server in self.servers:
            server.lease_until = server.lease_until and min(server.lease_until, at + LEASE)

    def _polled_by(self, device: ModelDevice, at: datetime) -> None:
        """Its poll and its deadlines, no deadline later than a poll at that moment would have set it."""
        if not (device.last_poll and device.late_at and device.lost_at):
            return
        window = timedelta(seconds=math.ceil(1.5 * device.interval))
        match device.heartbeat:
            case "recent":
                device.late_at = min(device.late_at, at + window)
                device.lost_at = device.late_at + GRACE
            case "late":
                device.late_at = min(device.late_at, at)
                device.lost_at = min(device.lost_at, at + GRACE)
            case "lost":
                device.late_at = min(device.late_at, at - timedelta(seconds=1))
                device.lost_at = min(device.lost_at, at)
        device.last_poll = min(device.last_poll, device.late_at - window)

    def poll(self, uuid: str, at: datetime) -> None:
        self.pass_until(at)
        device = self.devices[uuid]
        if device.last_poll and at <= device.last_poll:
            return
        device.last_poll = at
        device.late_at = at + timedelta(seconds=math.ceil(1.5 * device.interval))
        device.lost_at = device.late_at + GRACE
        self._contact(device)
        if device.heartbeat != "recent":
            self._beat(device, "recent", at)
        device.note(at)

    def connect(self, name: str, uuid: str, session: str, at: datetime) -> None:
        self.pass_until(at)
        device, server = self.devices[uuid], self._event(name, at)
        if device.vpn and device.owner is server and device.session == session:
            return
        device.owner, device.session = server, session
        self._contact(device)
        if not device.vpn:
            self._vpn(device, up=True, at=at)
        self._uses(device)
        device.note(at)

    def follow(self, at: datetime) -> None:
        """The job has come to its end: all devices do as their fleet says."""
        self.pass_until(at)
        for device in self.devices.values():
            if device.own_vpn is None:
                device.vpn_wanted = self.fleets_vpn.get(device.fleet, True) is True
            device.note(at)

    def _uses(self, device: ModelDevice) -> None:
        """A server has connected it: a fleet of which nobody has said anything uses the VPN from now on."""
        if self.fleets_vpn.get(device.fleet, True) is None and device.own_vpn is None:
            self.fleets_vpn[device.fleet] = True
        if device.own_vpn is None and self.fleets_vpn.get(device.fleet, True):
            device.vpn_wanted = True

    def disconnect(self, name: str, uuid: str, session: str, at: datetime) -> None:
        self.pass_until(at)
        self._event(name, at)
        device = self.devices[uuid]
        if device.owner is None or device.owner.name != name:
            return
        if session and session != device.session:
            return
        device.owner, device.session = None, ""
        if device.vpn:
            self._vpn(device, up=False, at=at)
        device.note(at)

    def alive(self, name: str, boot: str, listed: list[str] | None, at: datetime) -> None:
        self.pass_until(at)
        server = self._server(name, boot)
        self._renew(server, at)
        for other in self.servers:
            if other.name == name and other.lease_until is None:
                self._renew(other, at)
        for device in self.devices.values():
            own = device.owner is not None and device.owner.name == name
            if listed is None:
                if device.owner is server and not device.vpn:
                    self._vpn(device, up=True, at=at)
                    self._uses(device)
            elif device.uuid in listed:
                if not device.vpn or own:
                    device.session = device.session if device.owner is server else ""
                    device.owner = server
                if not device.vpn:
                    self._vpn(device, up=True, at=at)
                    self._uses(device)
            elif own and not device.vpn:
                device.owner, device.session = None, ""
            elif own and device.vpn_since and device.vpn_since <= at - timedelta(seconds=30):
                device.owner, device.session = None, ""
                self._vpn(device, up=False, at=at)
            device.note(at)

    def endless(self) -> list[str]:
        """Devices connected to a server that no deadline ends: those whose server never sent a sign."""
        signed = {server.name for server in self.servers if server.lease_until}
        return [
            device.uuid
            for device in self.devices.values()
            if device.vpn and device.owner and device.owner.name not in signed
        ]

    # Helpers

    def _event(self, name: str, at: datetime) -> ModelServer:
        """The server's newest instance tells a connect or disconnect, which renews a lease that it has."""
        server = self._current(name)
        if server.lease_until:
            self._renew(server, at)
        return server

    def _renew(self, server: ModelServer, at: datetime) -> None:
        server.lease_until = max(server.lease_until, at + LEASE) if server.lease_until else at + LEASE
        server.alive = True

    def _contact(self, device: ModelDevice) -> None:
        device.active = device.in_contact = True

    def _vpn(self, device: ModelDevice, *, up: bool, at: datetime) -> None:
        since = max(at, device.vpn_since) if device.vpn_since else at
        device.vpn, device.vpn_since = up, since
        device.links.append((since, "vpn", "connected" if up else "disconnected"))

    def _beat(self, device: ModelDevice, state: str, at: datetime) -> None:
        since = max(at, device.heartbeat_since) if device.heartbeat_since else at
        device.heartbeat, device.heartbeat_since = state, since
        device.links.append((since, "heartbeat", state))

    def _server(self, name: str, boot: str) -> ModelServer:
        for server in self.servers:
            if (server.name, server.boot) == (name, boot):
                return server
        self.servers.append(ModelServer(name, boot, len(self.servers)))
        return self.servers[-1]

    def _current(self, name: str) -> ModelServer:
        lives = [server for server in self.servers if server.name == name]
        return lives[-1] if lives else self._server(name, "")
