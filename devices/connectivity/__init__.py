"""The only writer of link facts: state polls, VPN connects and disconnects, leases of servers, deadlines.

Every function is atomic, idempotent and safe to run concurrently with itself. It takes locks in one order,
Organization (where a contact activates a device), VpnServer, Heartbeat by device id, Device by id. Then it
settles its devices (settle_devices), and after that writes the new fact, so that no deadline is skipped. `at`
is the moment that dates the fact; None: the database's clock.
"""

from devices.connectivity.deadlines import settle
from devices.connectivity.heartbeats import record_heartbeats
from devices.connectivity.vpn import vpn_alive, vpn_connected, vpn_disconnected

__all__ = ["record_heartbeats", "settle", "vpn_alive", "vpn_connected", "vpn_disconnected"]
