"""The data of the admin's page "How requests arrive": what proxies told of a request, and what to fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from dashboard.http.proxy import caller_of
from devices.ingest import proxy_check

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

    from devices.ingest.client_address import Caller

NO_SCHEME = (
    "The proxy does not say whether its client uses HTTPS. Configure it to set X-Forwarded-Proto to http or"
    " https."
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it arrived: its caller, and its headers that proxies set."""

    title: str
    caller: Caller
    headers: list[tuple[str, str]]
    scheme: str = ""
    at: datetime | None = None

    @property
    def advice(self) -> list[str]:
        """What to change in the configuration of proxies, as sentences; empty if nothing."""
        doubt = self.caller.doubt
        fixes = [proxy_check.fix(doubt, self.caller.address)] if doubt else []
        return fixes + [NO_SCHEME] * (self.caller.proxied and not self.caller.scheme)


def seen(request: HttpRequest) -> dict[str, Any]:
    """The context of the page: this request, the last call of a device, and findings of all requests."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    shown = [Arrival("This request", caller_of(request), proxy_check.shown(headers), request.scheme or "")]
    if call := proxy_check.last("calls"):
        title = "The last call of a device or VPN server"
        shown.append(Arrival(title, call.caller, call.headers, call.caller.scheme, call.at))
    return {
        "title": "How requests arrive",
        "arrivals": shown,
        "findings": proxy_check.findings(),
        "trusted": settings.TRUSTED_PROXIES,
    }
