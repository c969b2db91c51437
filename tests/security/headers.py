"""What every answer of the site says to a browser, written down once more: not read from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPMessage
from typing import Final

Headers = Mapping[str, str] | HTTPMessage  # whatever the case of their names

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOT_ALLOWED: Final = {"camera=()", "microphone=()", "geolocation=()", "payment=()", "usb=()"}
# What tells which program answers, and of which version.
BANNERS: Final = ("Server", "X-Powered-By", "X-Generator", "Via", "X-AspNet-Version", "X-Runtime")


def policy_of(headers: Headers) -> dict[str, str]:
    directives = headers.get("Content-Security-Policy", "").split(";")
    return dict(directive.strip().split(" ", 1) for directive in directives if directive.strip())


def faults(headers: Headers) -> list[str]:
    """What these headers lack, or say too much of."""
    found = [f"{name}: {headers.get(name)}" for name, value in ALWAYS.items() if headers.get(name) != value]
    if policy_of(headers) != POLICY:
        found.append(f"Content-Security-Policy: {headers.get('Content-Security-Policy')}")
    if not set(headers.get("Permissions-Policy", "").split(", ")) >= NOT_ALLOWED:
        found.append(f"Permissions-Policy: {headers.get('Permissions-Policy')}")
    found += [f"{name}: {headers[name]}" for name in BANNERS if name in headers]
    if "Access-Control-Allow-Origin" in headers:
        found.append("Access-Control-Allow-Origin")
    return found


def is_kept_by_nobody(headers: Headers) -> bool:
    said = {word.strip() for word in headers.get("Cache-Control", "").split(",")}
    return {"no-store", "private"} <= said
