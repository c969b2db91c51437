"""A device and a VPN server of the model of domain.md, and the status that follows from what a device is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

LEASE = timedelta(seconds=60)


@dataclass
class ModelServer:
    name: str
    boot: str
    number: int
    lease_until: datetime | None = None
    alive: bool = True  # false once its lease ended; a server without signs has no lease to lose


@dataclass
class ModelDevice:
    uuid: str
    created: datetime
    interval: int = 900
    frozen: bool = False
    active: bool = True
    provisioned: bool = True
    in_contact: bool = False
    state: str = ""
    provisioning: int | None = None
    update: int | None = None
    own_vpn: bool | None = None  # what it says itself
    fleet: str = ""
    vpn_wanted: bool = True  # resolved
    vpn: bool = False
    vpn_since: datetime | None = None
    owner: ModelServer | None = None
    session: str = ""
    heartbeat: str = "unknown"
    heartbeat_since: datetime | None = None
    last_poll: datetime | None = None
    late_at: datetime | None = None
    lost_at: datetime | None = None
    statuses: list[tuple[datetime, str]] = field(default_factory=list)
    links: list[tuple[datetime, str, str]] = field(default_factory=list)

    def status(self) -> str:
        never_online = self.heartbeat == "unknown" and self.vpn_since is None
        if self.frozen:
            return "frozen"
        if not self.active:
            return "inactive"
        if self.state == "Post-Provisioning":
            return "post-provisioning"
        if never_online:
            if self.provisioning is not None:
                return "configuring"
            if self.provisioned:
                return "post-provisioning"
            if not self.in_contact:
                return "inactive"
        if not self.vpn and self.heartbeat in ("lost", "unknown"):
            return "offline"
        if self.provisioning is not None:
            return "configuring"
        if self.update is not None and self.heartbeat in ("recent", "late"):
            return "updating"
        if self.vpn and self.heartbeat != "recent":
            return "vpn-only"
        if not self.vpn and not (not self.vpn_wanted and self.heartbeat == "recent"):
            return "heartbeat-only"
        return "online"

    def note(self, at: datetime) -> None:
        """Remember the status if the last change changed it; times never go back."""
        last_at, last = self.statuses[-1]
        if self.status() != last:
            self.statuses.append((max(at, last_at) if len(self.statuses) > 1 else at, self.status()))
