"""Which key may make which call: one entry for each call of the ingest (tests/test_ingest_access.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from devices.ingest.supervisor.calls import ABSENT, BY_UUID, ID, LISTS, RESOURCE, UUID
from devices.models import ApiKey

DEVICE, PROVISIONING, SERVICE = ApiKey.Kind


class Key(StrEnum):
    """Whose key a call presents; the target is the device that the call is about, if it is about one."""

    OWN = "the target's own"
    FROZEN = "the target's own, which is frozen"
    DELETED = "the target's former one, which is deleted"
    SIBLING = "of a device of the same fleet"
    FOREIGN = "of a device of another organization"
    PROVISIONING = "the one that the target registered with"
    OTHER_PROVISIONING = "another of the target's fleet"
    FOREIGN_PROVISIONING = "of a fleet of another organization"
    SERVICE = "of the organization's VPN servers"
    FOREIGN_SERVICE = "of another organization's VPN servers"
    SITE_SERVICE = "of the site's VPN servers"
    REVOKED = "of the right kind, and revoked"
    EXPIRED = "of the right kind, and expired"
    NONSENSE = "nobody's"
    NONE = "none"


PROVISIONING_KEYS = (Key.PROVISIONING, Key.OTHER_PROVISIONING, Key.FOREIGN_PROVISIONING)


@dataclass(frozen=True)
class Entry:
    """A call as it is made, and what it answers; keys that are not named are answered 401.

    In texts {uuid} and {id} are the target's, {server} and {instance} a VPN server of the caller's own, and
    {new} is a new UUID. `reach` are the keys that may change anything about the target.
    """

    path: str
    answers: Mapping[Key, int]
    reach: frozenset[Key] = frozenset()
    kind: ApiKey.Kind = DEVICE
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> dict[Key, int]:
        return dict.fromkeys(Key, 401) | dict(self.answers)


def any_device(path: str, done: int, body: Any = None, *, frozen: int) -> Entry:
    """A call that acts for the device whose key is presented."""
    answers = {Key.OWN: done, Key.SIBLING: done, Key.FOREIGN: done, Key.FROZEN: frozen}
    return Entry(path, answers, frozenset({Key.OWN, Key.FROZEN}), body=body)


def target(
    path: str, done: int = 200, body: Any = None, *, frozen: int, deleted: int = 401, **more: Any
) -> Entry:
    """A call about the device that it names."""
    answers = {Key.OWN: done, Key.FROZEN: frozen, Key.DELETED: deleted}
    return Entry(path, answers, frozenset({Key.OWN, Key.FROZEN}), body=body, **more)


def fleet(path: str, body: Any) -> Entry:
    """A call that registers a device in the fleet of the key."""
    return Entry(path, dict.fromkeys(PROVISIONING_KEYS, 201), kind=PROVISIONING, body=body)


def vpn(path: str, body: Any, done: int = 200) -> Entry:
    """A call of VPN servers; devices out of their reach are answered as unknown."""
    keys = (Key.SERVICE, Key.FOREIGN_SERVICE, Key.SITE_SERVICE)
    reach = frozenset({Key.SERVICE, Key.SITE_SERVICE})
    return Entry(path, dict.fromkeys(keys, done), reach, SERVICE, body)


def anybody(path: str, done: int) -> Entry:
    return Entry(path, dict.fromkeys(Key, done))


FORM: Final = {"content_type": "application/x-www-form-urlencoded"}
LINKS: Final = {"server": "{server}", "devices": ["{uuid}"]}
FILTER: Final = "?$select=id&$filter=uuid%20eq%20'{uuid}'"
REGISTRATION: Final = {"application": 1, "uuid": "{new}", "device_type": "pi"}
CLIENTS: Final = {"serviceId": "{instance}", "uuids": ["{uuid}"], "connected": True}

CALLS: Final[dict[tuple[str, str], Entry]] = {
    # The native dialect
    ("POST", "/api/v1/heartbeat"): any_device("/api/v1/heartbeat", 200, frozen=200),
    ("PATCH", "/api/v1/report"): any_device("/api/v1/report", 204, {"os_version": "1"}, frozen=403),
    ("POST", "/api/v1/register"): fleet("/api/v1/register", {"uuid": "{new}"}),
    ("POST", "/api/v1/vpn/connect"): vpn("/api/v1/vpn/connect", LINKS),
    ("POST", "/api/v1/vpn/disconnect"): vpn("/api/v1/vpn/disconnect", LINKS),
    ("POST", "/api/v1/vpn/alive"): vpn(
        "/api/v1/vpn/alive", {"server": "{server}", "boot": "1", "connected": ["{uuid}"]}
    ),
    ("GET", "/api/v1/openapi.json"): anybody("/api/v1/openapi.json", 200),
    # Supervisors
    ("GET", f"/device/v3/{UUID}/state"): target("/device/v3/{uuid}/state", frozen=304, deleted=304),
    ("GET", f"/device/v2/{UUID}/state"): target("/device/v2/{uuid}/state", frozen=304, deleted=304),
    ("PATCH", "/device/v3/state"): target(
        "/device/v3/state", body={"{uuid}": {"os_version": "1"}}, frozen=401
    ),
    ("PATCH", f"/device/v2/{UUID}/state"): target(
        "/device/v2/{uuid}/state", body={"local": {"os_version": "1"}}, frozen=401, deleted=200
    ),
    ("PATCH", f"{RESOURCE}/device"): target(
        f"/v6/device{FILTER}", body="status=configuring", frozen=401, headers=FORM
    ),
    ("PATCH", f"{RESOURCE}/device{BY_UUID}"): target(
        "/v6/device(uuid='{uuid}')", body="status=configuring", frozen=401, headers=FORM
    ),
    ("POST", "/device/register"): fleet("/device/register", REGISTRATION),
    ("GET", f"{RESOURCE}/device"): Entry(
        f"/v7/device{FILTER}", {Key.OWN: 200, Key.FROZEN: 200, Key.PROVISIONING: 200}
    ),
    ("GET", f"{RESOURCE}/device{BY_UUID}"): Entry(
        "/v6/device(uuid='{uuid}')", {Key.OWN: 200, Key.FROZEN: 200, Key.PROVISIONING: 200}
    ),
    **{("GET", f"{RESOURCE}/{name}"): any_device(f"/v7/{name}", 200, frozen=200) for name in LISTS},
    ("POST", "/api-key/device/(?P<id>[0-9]{1,18})/device-key"): Entry(
        "/api-key/device/{id}/device-key",
        {Key.OWN: 200, Key.FROZEN: 200, Key.PROVISIONING: 200},
        frozenset({Key.OWN, Key.FROZEN, Key.PROVISIONING}),
        kind=PROVISIONING,
    ),
    ("POST", f"{RESOURCE}/device_config_variable"): target(
        "/v7/device_config_variable",
        body={"device": "{id}", "name": "BALENA_SUPERVISOR_VPN_CONTROL", "value": "false"},
        done=201,
        frozen=201,
    ),
    ("PATCH", f"{RESOURCE}/device{ID}"): target(
        "/v7/device({id})", body={"BALENA_SUPERVISOR_VPN_CONTROL": "false"}, frozen=200
    ),
    ("GET", f"/services/vpn/auth/{UUID}"): target("/services/vpn/auth/{uuid}", frozen=200),
    ("POST", f"/device/v2/{UUID}/log-stream"): target("/device/v2/{uuid}/log-stream", 201, frozen=201),
    # VPN servers of open-balena
    ("POST", f"{RESOURCE}/service_instance"): vpn("/v7/service_instance", None, 201),
    ("PATCH", f"{RESOURCE}/service_instance{ID}"): vpn(
        "/v7/service_instance({instance})", {"is_alive": True}
    ),
    ("POST", "/services/vpn/client-connect"): vpn("/services/vpn/client-connect", CLIENTS),
    ("POST", "/services/vpn/client-disconnect"): vpn("/services/vpn/client-disconnect", CLIENTS),
    # Whether anybody is there
    ("GET", "/connectivity-check"): anybody("/connectivity-check", 204),
    ("GET", "/ping"): anybody("/ping", 200),
    # What agents ask for and are told that it is not here
    ("PATCH", "/device/v3/tags"): anybody("/device/v3/tags", 405),
    **{("GET", path): anybody(path.replace("([^/]+)", "root"), 404) for path in ABSENT},
}
