"""The key file that the simulator reads, and the state file in which it keeps identities of devices."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import msgspec


class FleetKeys(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet that virtual devices may join."""

    slug: str
    provisioning_key: str
    device_type: str = ""
    os_version: str = "Debian 12.8"
    releases: tuple[str, str] = ("1.0.0", "1.0.1")  # updates go from one to the other
    vpn: bool = True  # False: the fleet's devices use no VPN, on purpose
    weight: int = 1  # this fleet's part of the devices asked for
    names: tuple[str, ...] = ()  # patterns for str.format, taken in turn; "" means SLUG-001
    first: int = 1  # the number that the first name carries
    addresses: tuple[str, ...] = ()  # public addresses, taken in turn; patterns for str.format

    def name_of(self, number: int) -> str:
        """Name of the fleet's device with this number, counted from 0."""
        if not self.names:
            return f"{self.slug}-{number + self.first:03}"
        turn, pattern = divmod(number, len(self.names))
        return self.names[pattern].format(turn + self.first)

    def address_of(self, number: int) -> str:
        """The public address of the fleet's device with this number, from 0; empty: the one it calls from."""
        return (
            self.addresses[number % len(self.addresses)].format(number + self.first) if self.addresses else ""
        )


class KnownDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device that the site already knows, driven with its own key."""

    uuid: str
    key: str
    fleet: str
    name: str
    address: str = ""  # public


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one organization; unknown entries are for others and ignored."""

    organization: str
    service_key: str
    fleets: tuple[FleetKeys, ...]
    devices: tuple[KnownDevice, ...] = ()
    dark: str = ""  # the public address where all devices lose their power soon, and now and then


class Identity(msgspec.Struct, frozen=True):
    """The identity of a virtual device, as the site answered its registration."""

    uuid: str
    key: str
    poll_interval: float = 0.0  # seconds, of the last answer; 0: not known yet


def read_keys(path: Path) -> KeyFile:
    """Read a key file; raises FileNotFoundError, or msgspec.ValidationError naming the entry."""
    return msgspec.json.decode(path.read_bytes(), type=KeyFile)


class Ledger:
    """The identities of registered devices, kept in a file so that another run has these devices again.

    They are stored under the provisioning key that they registered with: a new site, or a demo made anew with
    new keys, finds none of them, while a site that moved to another port finds all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, Identity] = {}
        self._unsaved = False
        if path.exists():
            self._entries = msgspec.json.decode(path.read_bytes(), type=dict[str, Identity])

    def get(self, fleet: FleetKeys, number: int) -> Identity | None:
        return self._entries.get(self._entry(fleet, number))

    def put(self, fleet: FleetKeys, number: int, identity: Identity) -> None:
        self._entries[self._entry(fleet, number)] = identity
        self._unsaved = True

    def save(self) -> None:
        """Write what is new; the file replaces the old one whole and only its owner can read it."""
        if not self._unsaved:
            return
        self._unsaved = False
        write_private(self.path, msgspec.json.encode(self._entries))

    @staticmethod
    def _entry(fleet: FleetKeys, number: int) -> str:
        digest = hashlib.sha256(fleet.provisioning_key.encode()).hexdigest()[:16]
        return f"{digest}/{number}"


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step with one that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(draft).replace(path)
