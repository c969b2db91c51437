"""Registering a supervisor's device, looking it up, and exchanging its key (protocol.md, Register)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from devices import clock, keys
from devices.ingest.app import registering
from devices.ingest.http import TEXT, Refused, Reply, json_reply, query, unauthorized
from devices.ingest.registrations import Dialect
from devices.ingest.supervisor.bodies import KeyExchange, Registration, named_uuid, parse_body
from devices.ingest.supervisor.reports import changes
from devices.models import ApiKey, Device
from devices.operations.lifecycle import NewDevice

if TYPE_CHECKING:
    from datetime import datetime

    from devices.ingest.http import Request


def _new_device(request: Request) -> tuple[NewDevice, str | None]:
    """Of the body of a registration; `application` is ignored: a number of the cloud that it came from."""
    body = parse_body(Registration, request)
    address = request.address or None
    reported = changes(body.state())
    new = NewDevice(body.uuid, device_type=body.device_type, reported=reported, address=address)
    return new, body.api_key


def _registered(device: Device, key: str, _interval: int) -> Reply:
    return json_reply(201, {"id": device.pk, "uuid": device.uuid, "api_key": key})


def _uuid_taken() -> Reply:
    return Reply(409, b'"uuid" must be unique.', content_type=TEXT)


# A device registers itself in the fleet of its provisioning key, with a key that it chose if it did.
REGISTER: Final = registering(Dialect(_new_device, _registered, _uuid_taken))


def look_up(request: Request) -> Reply:
    """The fields of a device for its own key, or its id for the provisioning key that may still act for it.

    An OS update reads back here what it reported. Raises Refused (401).
    """
    at = clock.now()
    key = _caller(request, at)
    device = Device.objects.filter(uuid=named_uuid(request)).first()
    if device is None or not (key.device_id == device.pk or keys.may_look_up(key, device, at)):
        raise unauthorized()
    fields = _fields(device) if key.device_id == device.pk else {"id": device.pk}
    selected = query(request.scope).get("$select")
    chosen = fields.keys() & selected.split(",") if selected else fields.keys()
    return json_reply(200, {"d": [{name: fields[name] for name in sorted(chosen)}]})


def _fields(device: Device) -> dict[str, Any]:
    """The fields that scripts of the OS read, by the names that balena has for them."""
    own_names = ("uuid", "provisioning_state", "provisioning_progress", "os_version", "supervisor_version")
    return {
        "id": device.pk,
        "device_name": device.name,
        "is_of__device_type": [{"slug": device.device_type}],
        **{name: getattr(device, name) for name in own_names},
    }


def exchange(request: Request) -> Reply:
    """Replace the keys of a device by the one that it chose, or else by a new key of ours, and answer it."""
    at = clock.now()
    caller = _caller(request, at)
    chosen = parse_body(KeyExchange, request).api_key or keys.fresh(ApiKey.Kind.DEVICE)
    try:
        keys.exchange(device_id=int(request.named["id"]), caller=caller, new_key=chosen, at=at)
    except keys.NotAllowed as refused:
        raise unauthorized() from refused
    except (keys.Guessable, keys.KeyTaken) as refused:
        raise Refused(400, str(refused), "apiKey") from refused
    return json_reply(200, chosen)


def _caller(request: Request, at: datetime) -> ApiKey:
    for kind in (ApiKey.Kind.DEVICE, ApiKey.Kind.PROVISIONING):
        if key := keys.find(request.key, kind, at):
            return key
    raise unauthorized()
