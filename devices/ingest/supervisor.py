"""The supervisor dialect: what a real balena supervisor and a real open-balena-vpn call (protocol.md).

Here are its calls and those that need hardly an answer; the others are in the modules beside this one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from devices import clock, keys
from devices.ingest import (
    supervisor_keys,
    supervisor_logs,
    supervisor_settings,
    supervisor_state,
    supervisor_vpn,
)
from devices.ingest.http import (
    TEXT,
    Reply,
    header_or_query_key,
    leave_body,
    no_key,
    unauthorized,
)
from devices.ingest.routes import Call
from devices.ingest.service import in_a_thread
from devices.ingest.supervisor_bodies import Tags, parse_by_uuid
from devices.models import ApiKey

if TYPE_CHECKING:
    from devices.ingest.http import Request
    from devices.ingest.service import Ingest

PROVISIONING, SERVICE = ApiKey.Kind.PROVISIONING, ApiKey.Kind.SERVICE


def own_key(request: Request) -> Reply:
    """Whether the key is the named device's own: whoever has it may connect to a VPN server."""
    return _only_for(_caller(request), request.named["uuid"])


def tags(request: Request) -> Reply:
    """Tags are the operator's: a device's are accepted, and not kept."""
    device = _caller(request)
    uuid, _ = parse_by_uuid(Tags, request.body)
    return _only_for(device, uuid)


async def log_stream(request: Request, ingest: Ingest) -> Reply:
    await ingest.in_a_thread(partial(own_key, request))
    return await supervisor_logs.drop(request, ingest)


def _caller(request: Request) -> keys.KeyHolder:
    device = keys.find_devices([request.key], clock.now()).get(request.key)
    if device is None:
        raise unauthorized()
    return device


def _only_for(device: keys.KeyHolder, uuid: str) -> Reply:
    if device.uuid != uuid:
        raise unauthorized()
    return Reply(200)


async def connectivity_check(request: Request, ingest: Ingest) -> Reply:
    return Reply(204)


async def ping(request: Request, ingest: Ingest) -> Reply:
    return Reply(200, b"OK", content_type=TEXT)


UUID: Final = "(?P<uuid>[^/]+)"
ID: Final = r"\((?P<id>[0-9]{1,18})\)"
RESOURCE: Final = "/(?:v5|v6|v7)"  # by the supervisor's version

with_key = partial(Call, key=header_or_query_key)
CALLS = (
    with_key("GET", f"/device/v3/{UUID}/state", supervisor_state.state3),
    with_key("GET", f"/device/v2/{UUID}/state", supervisor_state.state2),
    with_key("PATCH", "/device/v3/state", supervisor_state.report3),
    with_key("PATCH", f"/device/v2/{UUID}/state", supervisor_state.report2),
    with_key("PATCH", f"{RESOURCE}/device", supervisor_state.flasher),
    with_key("POST", "/device/register", in_a_thread(supervisor_keys.register), kind=PROVISIONING),
    with_key("GET", f"{RESOURCE}/device", in_a_thread(supervisor_keys.look_up), kind=PROVISIONING),
    with_key(
        "POST",
        "/api-key/device/(?P<id>[0-9]{1,18})/device-key",
        in_a_thread(supervisor_keys.exchange),
        kind=PROVISIONING,
    ),
    with_key("POST", f"{RESOURCE}/device_config_variable", in_a_thread(supervisor_settings.config_variable)),
    with_key("PATCH", f"{RESOURCE}/device{ID}", in_a_thread(supervisor_settings.patch_device)),
    with_key(
        "POST", f"{RESOURCE}/service_instance", in_a_thread(supervisor_vpn.register_instance), kind=SERVICE
    ),
    with_key(
        "PATCH", f"{RESOURCE}/service_instance{ID}", in_a_thread(supervisor_vpn.instance_alive), kind=SERVICE
    ),
    with_key(
        "POST", "/services/vpn/client-connect", in_a_thread(supervisor_vpn.clients_connected), kind=SERVICE
    ),
    with_key(
        "POST",
        "/services/vpn/client-disconnect",
        in_a_thread(supervisor_vpn.clients_disconnected),
        kind=SERVICE,
    ),
    with_key("GET", f"/services/vpn/auth/{UUID}", in_a_thread(own_key), asks=True),
    with_key("PATCH", "/device/v3/tags", in_a_thread(tags)),
    with_key("POST", f"/device/v2/{UUID}/log-stream", log_stream, read=leave_body),
    Call("GET", "/connectivity-check", connectivity_check, key=no_key),
    Call("GET", "/ping", ping, key=no_key),
)
# Where these calls and no pages are.
PATHS: Final = (
    *("/device/", "/v5/", "/v6/", "/v7/", "/api-key/", "/services/"),
    *("/connectivity-check", "/ping"),
)
