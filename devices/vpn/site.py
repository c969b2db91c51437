"""A client of the site's calls for VPN servers, and the UUIDs of devices by their names at the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from devices.vpn import journal

TIMEOUT = 10  # seconds for one call: nobody but the watcher waits
BATCH = 2000  # devices in one call, well below the site's limit of 512 kB
UUID = re.compile(r"[0-9a-f]{32}([0-9a-f]{30})?")
# A name may hold spaces and #, as common names do; one that begins with # or a space stands in quotes.
NAMED = re.compile(rf'("(?P<quoted>.+)"|(?P<name>.+?))\s+(?P<uuid>{UUID.pattern})\s*(#.*)?')

Device = dict[str, str] | str


class NotHeard(Exception):
    """The site did not accept a call, which should be retried later."""


class WrongSettings(Exception):
    """A setting or a file is wrong; the text says what a person has to correct."""


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: a redirected POST becomes a GET, whose 200 would mean nothing."""

    def redirect_request(self, *args: Any) -> None:
        return None


class Site:
    """The site, called as the VPN server `server` with the service key in `key_file`."""

    def __init__(self, url: str, server: str, key_file: Path) -> None:
        if not re.match(r"https?://", url):
            raise WrongSettings(f"{url} is not an http:// or https:// address.")
        self._url = url.rstrip("/")
        self._server = server
        self._key = read_key(key_file)
        self._opener = build_opener(_NoRedirect)

    def connect(self, devices: Sequence[Device]) -> None:
        """Report that devices connected. Raises NotHeard."""
        self._links("connect", devices)

    def disconnect(self, devices: Sequence[Device]) -> None:
        """Report that devices disconnected. Raises NotHeard."""
        self._links("disconnect", devices)

    def alive(self, connected: Iterable[str], **more: str) -> None:
        """Send a life sign with the UUIDs of all connected devices. Raises NotHeard."""
        self._call("alive", connected=sorted(set(connected)), **more)

    def _links(self, call: str, devices: Sequence[Device]) -> None:
        for start in range(0, len(devices), BATCH):
            reply = self._call(call, devices=devices[start : start + BATCH])
            for unknown in reply.get("unknown", ()):
                journal.once(unknown, f"The site knows no device {unknown}")

    def _call(self, call: str, **body: Any) -> dict[str, Any]:
        """The site's reply to a call. Raises NotHeard where it is not one of success."""
        request = Request(  # noqa: S310  the scheme is checked above
            f"{self._url}/api/v1/vpn/{call}",
            json.dumps({"server": self._server} | body).encode(),
            {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                reply = json.load(response)
        except HTTPError as error:
            with error:
                answer = error.read(500).decode(errors="replace")
            raise NotHeard(f"{call}: {error.code} {answer}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise NotHeard(f"{call}: {error}") from error
        if not isinstance(reply, dict) or "changed" not in reply:
            raise NotHeard(f"{call}: this is not the site's reply: {reply!r:.100}")
        return reply


def read_key(path: Path) -> str:
    """The key in this file. Raises WrongSettings, also where other users may read the file."""
    try:
        if path.stat().st_mode & 0o077:
            raise WrongSettings(f"{path} can be read by others. Run chmod 600 {path}")
        key = path.read_text().strip()
    except OSError as error:
        raise WrongSettings(str(error)) from error
    if not re.fullmatch(r"[!-~]+", key):
        raise WrongSettings(f"{path} must contain a key and nothing else.")
    return key


class Names:
    """The UUIDs of devices by common name or public key: a file of lines `NAME UUID`, read when it changes.

    A # behind the UUID, or at the beginning of a line, starts a comment. Without a file each name is the
    device's UUID.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._version = (0, 0)
        self._uuids: dict[str, str] = {}
        if path:
            self._read(path)

    def uuids(self, names: Iterable[str]) -> dict[str, str]:
        """The UUIDs by name, of those names that are a device's."""
        if self._path is None:
            return {name: name for name in names if UUID.fullmatch(name)}
        try:
            self._read(self._path)
        except WrongSettings as error:
            journal.once("names", f"{error} The names stay unchanged.")
        return {name: self._uuids[name] for name in names if name in self._uuids}

    def _read(self, path: Path) -> None:
        try:
            found = path.stat()
            version = (found.st_mtime_ns, found.st_size)
            if version != self._version:
                text = path.read_text("utf-8-sig")  # some editors put a byte order mark before the first name
                self._version = version
                self._uuids = read_names(text, path)
        except OSError as error:
            raise WrongSettings(f"{error}.") from error
        except UnicodeError as error:
            raise WrongSettings(f"{path}: {error}.") from error


def read_names(text: str, path: Path) -> dict[str, str]:
    """The UUIDs by name. Raises WrongSettings that names the first wrong line."""
    uuids = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        match = NAMED.fullmatch(line)
        if match is None:
            raise WrongSettings(f"{path}, line {number}: a name and a UUID (32 or 62 digits a-f, 0-9).")
        uuids[match["quoted"] or match["name"]] = match["uuid"]
    return uuids
