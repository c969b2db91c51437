"""Which host is relayed to the API of a source (docs/balena.md, the relay): set on the console alone.

Whoever sets it receives the calls of that host, with the keys of devices.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from devices import clock
from devices.models import Source
from devices.sources.addresses import checked
from fleets import audit
from fleets.access import locks
from fleets.postgres.unique import unique_violation

HOST: Final = re.compile(r"(?=.{1,253}$)(?:[a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?")


class HostRefused(ValueError):
    """Calls of this host cannot be relayed; the text says why."""


@transaction.atomic
def set_relay(*, source: Source, host: str, to: str, at: datetime | None = None) -> Source:
    """Relay the calls of `host` to the address `to` of the source's API; both empty: relay none.

    Raises HostRefused, addresses.NotAllowed, and Source.DoesNotExist where the source was removed.
    """
    at, host = at or clock.now(), host.strip().lower()
    locks.hold([source.organization_id])
    now = (
        Source.objects.select_related("organization")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=source.pk)
    )
    before = _told(now)
    now.relay_host, now.relay_to = allowed(host), checked(to) if to else ""
    if bool(now.relay_host) != bool(now.relay_to):
        raise HostRefused("A relay needs both a host and the address of the API.")
    _require_beyond(now)
    with unique_violation(lambda _: HostRefused(f"The calls of {host} are relayed already.")):
        now.save(update_fields=["relay_host", "relay_to"])
    subject = ("source", str(now.uuid), now.name)
    audit.record(
        "source-relayed",
        actor=None,
        organization=now.organization,
        subject=subject,
        at=at,
        before=before,
        after=_told(now),
    )
    return now


def allowed(host: str) -> str:
    """The host, if its calls may be relayed: a name, and none of this site. Raises HostRefused."""
    if host and not HOST.fullmatch(host):
        raise HostRefused(f"{host} is not the name of a host.")
    if host in settings.ALLOWED_HOSTS:
        raise HostRefused(f"{host} is a host of this site.")
    return host


def _require_beyond(source: Source) -> None:
    """Raise HostRefused if the address is known to lead back here: each call would go in a circle."""
    leads_to = urlsplit(source.relay_to).hostname or ""
    ours = {*settings.ALLOWED_HOSTS, urlsplit(settings.SITE_ADDRESS).hostname}
    relayed = leads_to == source.relay_host or Source.objects.filter(relay_host=leads_to).exists()
    if leads_to and (leads_to in ours or relayed):
        raise HostRefused(
            f"{leads_to} leads back to Lookout, so that each call would go in a circle. Enter the address of"
            " the API behind the proxy."
        )


def _told(source: Source) -> dict[str, Any]:
    return {"relay_host": source.relay_host, "relay_to": source.relay_to}
