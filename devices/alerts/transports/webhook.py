"""A webhook: CloudEvents 1.0 as JSON, signed as Standard Webhooks 1.0.0 says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any, Final

from django.conf import settings

from devices.alerts.outbound import Request
from devices.alerts.text import whole
from devices.alerts.transports.envelope import Envelope, Field
from devices.models import AlertMessage

Kind = AlertMessage.Kind
FIELDS: Final = (Field("url", "Address", "It begins with https://.", address=True),)
PREFIX: Final = "whsec_"
SECRET: Final = 32  # bytes
TYPES: Final = {
    Kind.RESOLVED: "lookout.incident.resolved",
    Kind.ACKNOWLEDGED: "lookout.incident.acknowledged",
    Kind.NOTICE: "lookout.alerts.notice",
    Kind.TEST: "lookout.alerts.test",
}
FIRING: Final = "lookout.incident.firing"


def request(envelope: Envelope) -> Request:
    """Its id is the message's UUID, the same in every attempt. During a rotation both secrets sign."""
    body = json.dumps(event(envelope), ensure_ascii=False, separators=(",", ":")).encode()
    pk, stamp = str(envelope.message.uuid), str(int(envelope.at.timestamp()))
    signing = [envelope.secrets[name] for name in ("secret", "former") if envelope.secrets.get(name)]
    return Request(
        envelope.value("url"),
        body,
        {
            "Content-Type": "application/cloudevents+json",
            "webhook-id": pk,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(signature(secret, pk, stamp, body) for secret in signing),
        },
    )


def event(envelope: Envelope) -> dict[str, Any]:
    """The message as a CloudEvent, with its snapshot as data; addresses in it are whole."""
    message = envelope.message
    about = f"incident/{message.snapshot['incident']}" if message.incident_id else "incidents"
    return {
        "specversion": "1.0",
        "id": str(message.uuid),
        "source": f"{settings.SITE_ADDRESS}/o/{envelope.target.organization.slug}",
        "type": TYPES.get(Kind(message.kind), FIRING),
        "subject": about,
        "time": message.created_at.isoformat(),
        "datacontenttype": "application/json",
        "sequence": str(message.number),
        "data": data(message) | {"first_that_arrives": envelope.fresh},
    }


def data(message: AlertMessage) -> dict[str, Any]:
    """The snapshot of a message with whole addresses."""
    found = dict(message.snapshot)
    for name in ("devices", "over"):
        if name in found:
            found[name] = [one | {"url": whole(one["url"])} for one in found[name]]
    if "url" in found:
        found["url"] = whole(found["url"])
    return found


def new_secret() -> str:
    """A secret in the form that libraries of Standard Webhooks take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET)).decode()


def signature(secret: str, pk: str, stamp: str, body: bytes) -> str:
    """The signature of `id.timestamp.body` by HMAC-SHA256, with its version before it."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{pk}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
