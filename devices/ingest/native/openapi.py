"""The published description of the native dialect (OpenAPI 3.1), generated from the types of its bodies."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from devices.ingest.http import Reply, no_key
from devices.ingest.native.bodies import Alive, Links, Registration, Report
from devices.ingest.native.replies import Changed, Error, Frozen, Polled, Registered
from devices.ingest.routes import Call
from devices.models import ApiKey

if TYPE_CHECKING:
    from devices.ingest.app import Ingest
    from devices.ingest.http import Request

Kind = ApiKey.Kind
PATH: Final = "/api/v1/openapi.json"


class Operation(NamedTuple):
    """A call as the description has it."""

    method: str
    path: str
    summary: str
    kind: Kind  # of the key that it is for
    body: type[msgspec.Struct]
    needs_body: bool
    replies: dict[int, type[msgspec.Struct] | None]  # by status, besides those of ALWAYS; None: no body


OPERATIONS: Final = (
    Operation(
        "post",
        "/api/v1/register",
        "A device registers itself.",
        Kind.PROVISIONING,
        Registration,
        False,
        {201: Registered, 403: Error, 409: Error},
    ),
    Operation(
        "post",
        "/api/v1/heartbeat",
        "A state poll, with a report if there is a body.",
        Kind.DEVICE,
        Report,
        False,
        {200: Polled},
    ),
    Operation(
        "patch",
        "/api/v1/report",
        "A device reports what has changed.",
        Kind.DEVICE,
        Report,
        False,
        {204: None, 403: Frozen},
    ),
    Operation(
        "post",
        "/api/v1/vpn/connect",
        "Devices connected to a VPN server.",
        Kind.SERVICE,
        Links,
        True,
        {200: Changed},
    ),
    Operation(
        "post",
        "/api/v1/vpn/disconnect",
        "Devices disconnected from a VPN server.",
        Kind.SERVICE,
        Links,
        True,
        {200: Changed},
    ),
    Operation(
        "post",
        "/api/v1/vpn/alive",
        "A VPN server's life sign, optionally with all connected devices.",
        Kind.SERVICE,
        Alive,
        True,
        {200: Changed, 409: Error},
    ),
)
ALWAYS: Final = {
    400: "The body is not JSON or not of these types. Nothing was changed.",
    401: "The key is missing, unknown, expired, revoked or not for this.",
    413: "The body is too large.",
    429: "Called too often, or registered too many devices in an hour. Nothing was done.",
    503: "The server is too busy, or its database does not answer. Try again later.",
}
DONE: Final = {
    201: "Registered. The key is shown only once. If the answer is lost, an operator creates a new one.",
    403: "The device is frozen, or the key has reached its limit of registrations. Nothing was changed.",
    409: "In conflict with what is known. Nothing was changed.",
}
KEYS: Final = {
    Kind.DEVICE: "The key of the device.",
    Kind.PROVISIONING: "A provisioning key of a fleet.",
    Kind.SERVICE: "A service key of an organization's VPN servers, or of the site's.",
}


def document() -> dict[str, Any]:
    """The OpenAPI document, as JSON values."""
    types: set[type[msgspec.Struct] | None] = {Error}
    for operation in OPERATIONS:
        types |= {operation.body, *operation.replies.values()}
    ordered = sorted(filter(None, types), key=lambda type_: type_.__name__)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    refs = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lookout: what devices and VPN servers call",
            "version": "1",
            "description": "An integer may be written with an empty fraction: 32.0 is 32.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                f"{kind}Key": {"type": "http", "scheme": "bearer", "description": description}
                for kind, description in KEYS.items()
            },
        },
    }


def _operation(operation: Operation, refs: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    replies = {
        status: {"description": DONE.get(status, "Done."), **(_content(refs[type_]) if type_ else {})}
        for status, type_ in operation.replies.items()
    }
    refusals = {status: {"description": words, **_content(refs[Error])} for status, words in ALWAYS.items()}
    return {
        "operationId": operation.path.removeprefix("/api/v1/").replace("/", "-"),
        "summary": operation.summary,
        "security": [{f"{operation.kind}Key": []}],
        "requestBody": {"required": operation.needs_body, **_content(refs[operation.body])},
        "responses": {str(status): reply for status, reply in sorted((replies | refusals).items())},
    }


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


@cache
def _encoded() -> bytes:
    return msgspec.json.format(msgspec.json.encode(document()))


async def serve(request: Request, ingest: Ingest) -> Reply:
    """The OpenAPI document, for anybody."""
    return Reply(200, _encoded())


CALL: Final = Call("GET", PATH, serve, no_key)
