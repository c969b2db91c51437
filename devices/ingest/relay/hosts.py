"""Which hosts are relayed, and to where, as this process knows it from the database."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from devices.ingest.relay.pool import Address
from devices.sources.relaying import allowed
from fleets.postgres.round_trip import rows_of_each

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

logger = logging.getLogger("devices.ingest")

REFRESH_EVERY: Final = 5.0  # seconds
LOOK_EVERY: Final = 15.0  # seconds, where none is relayed
# By SQL: every process asks it all the time, mostly for nothing.
RELAYED: Final = "SELECT id, relay_host, relay_to FROM devices_source WHERE relay_host <> ''"


class Target(NamedTuple):
    """Where calls of a host are relayed to: the API of the source with this id."""

    source: int
    address: Address


class Hosts:
    """The targets by host, as of the last refresh. They stay while the database does not answer."""

    def __init__(self) -> None:
        self._targets: dict[bytes, Target] = {}

    @property
    def any(self) -> bool:
        """Whether a host is relayed."""
        return bool(self._targets)

    def refresh(self) -> None:
        """Read them from the database: one query, in a thread with a connection."""
        targets = {}
        found: list[tuple[int, str, str]]
        (found,) = rows_of_each((RELAYED,), {})
        for source, host, address in found:
            try:
                targets[allowed(host.lower()).encode()] = Target(source, Address.of(address))
            except ValueError as error:  # HostRefused, too
                logger.warning("the source %d is not relayed: %s", source, error)
        self._targets = targets

    def target(self, scope: HTTPScope) -> Target | None:
        """Where a call is relayed to, by its Host, with or without a port; None: it is the site's own."""
        if not self._targets:
            return None
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").lower()
        return self._targets.get(host) or self._targets.get(host.rpartition(b":")[0])
