"""What a supervisor's device sets for itself: known variables, and its first name (protocol.md, Register)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from devices import clock, keys
from devices.connectivity.heartbeats import SUPERVISOR_LEAST
from devices.ingest.http import Refused, Reply, json_reply, unauthorized
from devices.ingest.supervisor.bodies import ConfigVariable, Settings, parse_body
from devices.models import ApiKey
from devices.operations.configuration import configure

if TYPE_CHECKING:
    from devices.ingest.http import Request
    from devices.ingest.supervisor.bodies import Value

LONGEST_INTERVAL: Final = 24 * 3600  # seconds
NAME_LENGTH: Final = 255
# The known variables without their prefixes, and the prefixes, the one that prevails first.
INTERVAL: Final = "SUPERVISOR_POLL_INTERVAL"
VPN: Final = "SUPERVISOR_VPN_CONTROL"
PREFIXES: Final = ("BALENA_", "RESIN_")
SWITCH: Final = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


def config_variable(request: Request) -> Reply:
    """A device sets one variable; an unknown one is accepted and ignored."""
    device_id = _own_id(request)
    body = parse_body(ConfigVariable, request)
    if body.device != device_id:
        raise unauthorized()
    configure(device_id=device_id, **known({body.name: body.value}, "value"))
    return json_reply(201, {"name": body.name, "value": body.value})


def patch_device(request: Request) -> Reply:
    """A device sets several variables and its name; all else is accepted and ignored."""
    device_id = _own_id(request)
    if int(request.named["id"]) != device_id:
        raise unauthorized()
    body = parse_body(Settings, request)
    name = (body.device_name or "")[:NAME_LENGTH]
    configure(device_id=device_id, name=name, **known(body.variables()))
    return Reply(200)


def _own_id(request: Request) -> int:
    """The id of the device whose own key the request has. Raises Refused (401)."""
    key = keys.find(request.key, ApiKey.Kind.DEVICE, clock.now())
    if key is None or key.device_id is None:
        raise unauthorized()
    return key.device_id


def known(variables: dict[str, Value], field: str = "") -> dict[str, Any]:
    """The settings of known variables, as arguments of `configure`.

    Raises Refused (400), which names `field`, or else the variable.
    """
    known: dict[str, Any] = {}
    for kind, setting, read in ((INTERVAL, "poll_interval", _interval), (VPN, "vpn_enabled", _switch)):
        name = next((prefix + kind for prefix in PREFIXES if prefix + kind in variables), None)
        if name is not None:
            known[setting] = read(str(variables[name]).strip(), field or name)
    return known


def _interval(text: str, field: str) -> int:
    """Seconds from a text of milliseconds, limited to the range for supervisors. Raises Refused (400)."""
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise Refused(400, "Expected a number of milliseconds", field)
    return min(LONGEST_INTERVAL, max(SUPERVISOR_LEAST, int(text) // 1000))


def _switch(text: str, field: str) -> bool:
    try:
        return SWITCH[text.lower()]
    except KeyError as error:
        raise Refused(400, "Expected true or false", field) from error
