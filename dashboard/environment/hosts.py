"""The hosts and ports under which pages may be requested: links that are mailed or shown lead there.

Django looks at the name in the Host header only. With a port of a stranger's choice, the link of a mail to
somebody else would lead to whatever listens there.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


def name_and_port(host: str) -> tuple[str, str]:
    """The name and the port of an entry of ALLOWED_HOSTS; the port is "" if it has none."""
    found = re.fullmatch(r"(.*?)(?::(\d+))?", host)
    return (found[1], found[2] or "") if found else (host, "")


def checked_networks(networks: list[str]) -> list[str]:
    """The networks of TRUSTED_PROXIES, unchanged. Raises ImproperlyConfigured if one cannot be read."""
    read_networks("TRUSTED_PROXIES", networks)
    return networks


def read_networks(setting: str, networks: list[str]) -> list[Network]:
    """The networks that a setting names. Raises ImproperlyConfigured if one cannot be read."""
    try:
        return [ipaddress.ip_network(network) for network in networks]
    except ValueError as error:
        raise ImproperlyConfigured(f"{setting}: {error}") from error


def site_address(address: str) -> str:
    """How links in messages begin, without a slash at the end.

    Raises ImproperlyConfigured if it is no address.
    """
    if not re.fullmatch(r"https?://[^\s/?#@*]+/?", address):
        raise ImproperlyConfigured("SITE_ADDRESS must be an address such as https://lookout.example")
    return address.rstrip("/")


def usual_address(allowed: list[str]) -> str:
    """The address of the first of ALLOWED_HOSTS that names a host."""
    return f"https://{next((host for host in allowed if '*' not in host), 'localhost').lstrip('.')}"


def trusted(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: refuses a port that is neither the site's own nor named in ALLOWED_HOSTS.

    On a trial (LOCAL) any port is accepted, as a tunnel or a container may change it. The calls of devices
    and load balancers do not pass through Django and are answered under any host. Raises DisallowedHost,
    which Django answers with 400.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not settings.LOCAL and not _is_trusted(request):
            host = request.get_host()
            raise DisallowedHost(f"ALLOWED_HOSTS does not name {host} with its port: it may name HOST:PORT.")
        return get_response(request)

    return middleware


def _is_trusted(request: HttpRequest) -> bool:
    """Whether ALLOWED_HOSTS has this host with this port, or without a port if the port is the site's own.

    The site's own port is the scheme's (443 or 80); where no proxy is in between, the one it listens at.
    """
    name, port = split_domain_port(request.get_host())
    usual = "443" if request.is_secure() else "80"
    own = {"", usual}
    caller = getattr(request, "scope", {}).get("caller")
    if caller is None or not caller.proxied:
        own.add(request.get_port())
    names = (host for host, named in settings.HOSTS if (named == (port or usual) if named else port in own))
    return validate_host(name, list(names))
