"""The only writer of link facts: state polls, VPN connect and disconnect, server leases, the clock.

Every function is atomic, idempotent and safe beside itself. It locks in one order, Organization (where a
contact activates), VpnServer, Heartbeat by device id, Device by id, then records what the clock has done
to its devices (settle_devices), then what it was told; so no deadline that nobody recorded is ever
skipped. `at` is the moment a fact is dated by; None: the database's clock.
"""

from devices.connectivity.deadlines import settle
from devices.connectivity.heartbeats import record_heartbeats
from devices.connectivity.vpn import vpn_alive, vpn_connected, vpn_disconnected

__all__ = ["record_heartbeats", "settle", "vpn_alive", "vpn_connected", "vpn_disconnected"]
