"""The calls of the supervisor dialect, which balena supervisors and open-balena-vpn make (protocol.md).

The table of all of them, and the handlers of the simplest; the other handlers are in this package's modules.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from devices import clock, keys
from devices.ingest.app import in_a_thread
from devices.ingest.http import (
    TEXT,
    Refused,
    Reply,
    header_or_query_key,
    json_reply,
    leave_body,
    no_key,
    unauthorized,
)
from devices.ingest.routes import Call, SteadyPoll
from devices.ingest.supervisor import keys as supervisor_keys
from devices.ingest.supervisor import logs as supervisor_logs
from devices.ingest.supervisor import settings as supervisor_settings
from devices.ingest.supervisor import state as supervisor_state
from devices.ingest.supervisor import vpn as supervisor_vpn
from devices.models import ApiKey

if TYPE_CHECKING:
    from devices.ingest.app import Ingest
    from devices.ingest.http import Request

PROVISIONING, SERVICE = ApiKey.Kind.PROVISIONING, ApiKey.Kind.SERVICE


def own_key(request: Request) -> Reply:
    """200 if the key is the named device's own, so that it may connect to a VPN server.

    Raises Refused (401).
    """
    return _only_for(_caller(request), request.named["uuid"])


def nothing(request: Request) -> Reply:
    """An empty list, in reply to what a device reads in a cloud and this site does not have."""
    _caller(request)
    return json_reply(200, {"d": []})


async def tags(request: Request, ingest: Ingest) -> Reply:
    """Refused (405): tags belong to operators, and a device must not believe that its own were stored."""
    raise Refused(405, "A device cannot set its tags here.", "method", ((b"allow", b""),))


async def absent(request: Request, ingest: Ingest) -> Reply:
    """404 in few bytes and without a log line, for what agents often request from a cloud."""
    return json_reply(404, {"error": "This site does not support this.", "field": "path"})


async def log_stream(request: Request, ingest: Ingest) -> Reply:
    """A log stream of a device, which is read and not stored."""
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
    """204, by which NetworkManager knows that the internet is there."""
    return Reply(204)


async def ping(request: Request, ingest: Ingest) -> Reply:
    """200, by which a supervisor knows that the site is there."""
    return Reply(200, b"OK", content_type=TEXT)


UUID: Final = "(?P<uuid>[^/]+)"
ID: Final = r"\((?P<id>[0-9]{1,18})\)"
BY_UUID: Final = r"\(uuid='(?P<uuid>[^/']+)'\)"
RESOURCE: Final = "/(?:v5|v6|v7)"  # by the supervisor's version
# Resources that are listed as empty, and paths that only a cloud serves: the OS's configuration (os-config),
# people's keys for SSH (sshd), tokens of a registry and images of the OS (OS updates).
LISTS: Final = ("device_tag", "device_config_variable", "release", "supervisor_release")
ABSENT: Final = ("/os/v1/config", "/auth/v1/public-keys/([^/]+)", "/auth/v1/token", "/download")

with_key = partial(Call, key=header_or_query_key)
CALLS = (
    with_key(
        "GET",
        f"/device/v3/{UUID}/state",
        supervisor_state.state3,
        steady=SteadyPoll(supervisor_state.answer3, by_supervisor=True),
    ),
    with_key(
        "GET",
        f"/device/v2/{UUID}/state",
        supervisor_state.state2,
        steady=SteadyPoll(supervisor_state.answer2, by_supervisor=True),
    ),
    with_key("PATCH", "/device/v3/state", supervisor_state.report3),
    with_key("PATCH", f"/device/v2/{UUID}/state", supervisor_state.report2),
    with_key("PATCH", f"{RESOURCE}/device", supervisor_state.flasher),
    with_key("PATCH", f"{RESOURCE}/device{BY_UUID}", supervisor_state.flasher),
    with_key("POST", "/device/register", supervisor_keys.REGISTER, kind=PROVISIONING),
    with_key("GET", f"{RESOURCE}/device", in_a_thread(supervisor_keys.look_up), kind=PROVISIONING),
    with_key("GET", f"{RESOURCE}/device{BY_UUID}", in_a_thread(supervisor_keys.look_up), kind=PROVISIONING),
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
    with_key("GET", f"/services/vpn/auth/{UUID}", in_a_thread(own_key), checks_key=True),
    *(with_key("GET", f"{RESOURCE}/{name}", in_a_thread(nothing)) for name in LISTS),
    with_key("POST", f"/device/v2/{UUID}/log-stream", log_stream, read=leave_body),
    Call("GET", "/connectivity-check", connectivity_check, key=no_key),
    Call("GET", "/ping", ping, key=no_key),
    Call("PATCH", "/device/v3/tags", tags, key=no_key, read=leave_body),
    *(Call("GET", path, absent, key=no_key, read=leave_body) for path in ABSENT),
)
# The beginnings of the paths of these calls; no page has such a path.
PATHS: Final = (
    *("/device/", "/v5/", "/v6/", "/v7/", "/api-key/", "/services/"),
    *("/connectivity-check", "/ping", "/os/v1/", "/auth/v1/", "/download"),
)
