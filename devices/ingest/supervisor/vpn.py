"""The calls of a VPN server in the supervisor dialect (protocol.md, VPN server).

A server registers at each start, so that each life of its process is a server of its own: the devices of an
old life are disconnected when its lease ends, not by what a new life reports.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from devices import clock, connectivity, keys
from devices.ingest.http import Refused, Reply, json_reply, unauthorized
from devices.ingest.supervisor.bodies import Clients, Instance, Sign, parse_body
from devices.models import ApiKey, VpnServer
from fleets.text import kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devices.ingest.http import Request
    from fleets.models import Organization


def register_instance(request: Request) -> Reply:
    """A server starts: recorded as its first life sign, and answered its id."""
    at = clock.moment()
    reach = _reach(request, at.at)
    address = kept(parse_body(Instance, request).ip_address or "").strip() or request.address or "vpn"
    name = f"{address[:200]}-{secrets.token_hex(4)}"
    connectivity.vpn_alive(name, at=at, organization=reach)
    return json_reply(201, {"id": VpnServer.objects.get(name=name, organization=reach).pk})


def instance_alive(request: Request) -> Reply:
    """A life sign of a server."""
    at = clock.moment()
    reach = _reach(request, at.at)
    sign = parse_body(Sign, request)
    server = _instance(int(request.named["id"]), reach)
    if sign.is_alive:
        connectivity.vpn_alive(server.name, at=at, boot=server.boot, organization=reach)
    return Reply(200)


def clients_connected(request: Request) -> Reply:
    """Devices connected to a server."""
    return _clients(request, connectivity.vpn_connected)


def clients_disconnected(request: Request) -> Reply:
    """Devices disconnected from a server."""
    return _clients(request, connectivity.vpn_disconnected)


def _clients(request: Request, record: Callable[..., int]) -> Reply:
    at = clock.moment()
    reach = _reach(request, at.at)
    clients = parse_body(Clients, request)
    server = _instance(clients.service_id, reach)
    record(server.name, clients.uuids, at, organization=reach)
    return json_reply(200, {})


def _reach(request: Request, at: datetime) -> Organization | None:
    key = keys.find(request.key, ApiKey.Kind.SERVICE, at)
    if key is None:
        raise unauthorized()
    return key.organization


def _instance(number: int, reach: Organization | None) -> VpnServer:
    """The server with this id. Raises Refused (401) where it is not within the reach of the caller's key."""
    server = VpnServer.objects.filter(pk=number, organization=reach).first()
    if server is None:
        raise Refused(401, "There is no such VPN server of yours.", "server")
    return server
