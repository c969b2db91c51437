"""Watches an OpenVPN server: sends what the hook noted, and every 10 s the whole list of clients."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from devices.vpn import journal, watch
from devices.vpn.management import Management
from devices.vpn.site import Device, Names, Site, read_key
from devices.vpn.spool import Note, Spool

PAUSE = 0.25  # seconds between two looks into the spool


class OpenVpn:
    def __init__(self, site: Site, spool: Spool, management: Management, names: Names) -> None:
        self._site = site
        self._spool = spool
        self._management = management
        self._names = names
        self._boot = ""
        self._sign_at = 0.0

    def look(self, now: float) -> None:
        """Tell the site what is due; `now` in seconds of any clock. Raises NotHeard.

        A new life of the server comes before the events of its clients, which then belong to it.
        """
        notes = self._spool.pending()
        if notes or now >= self._sign_at:
            self._sign(now)
        self._send(notes)

    def _sign(self, now: float) -> None:
        try:
            boot = self._management.boot()
            if boot == self._boot and now < self._sign_at:
                return
            connected = self._names.uuids(self._management.clients()).values()
        except OSError as error:
            journal.once("VPN", f"OpenVPN does not answer: {error}")
            return  # no sign without it: the lease of a dead server shall end
        self._site.alive(connected, boot=boot)
        journal.once("VPN", f"OpenVPN answers, process and start {boot}")
        self._boot, self._sign_at = boot, now + watch.SIGN_EVERY

    def _send(self, notes: dict[str, Note]) -> None:
        uuids = self._names.uuids(notes)
        for name in notes.keys() - uuids:
            journal.once(name, f"{name} is no device's name")
        for connected, tell in ((False, self._site.disconnect), (True, self._site.connect)):
            chosen = [name for name, note in notes.items() if note.connected is connected]
            tell([_device(uuids[name], notes[name]) for name in chosen if name in uuids])
            self._spool.sent(chosen)


def _device(uuid: str, note: Note) -> Device:
    return {"uuid": uuid, "session": note.session} if note.session else uuid


def add_arguments(parser: ArgumentParser) -> None:
    watch.add_arguments(parser)
    parser.add_argument("--spool", type=Path, required=True, help="the directory that the hook got")
    parser.add_argument("--management", required=True, help="path of the unix socket, or HOST:PORT")
    parser.add_argument("--management-password-file", type=Path)
    parser.add_argument("--names", type=Path, help="lines `COMMON-NAME UUID`; default: they are UUIDs")


def run(options: Namespace) -> None:
    """Watch until killed. Raises WrongSettings."""
    secret = options.management_password_file
    management = Management(options.management, read_key(secret) if secret else "")
    site = watch.site(options)
    watcher = OpenVpn(site, Spool(options.spool), management, Names(options.names))
    watch.forever(watcher.look, PAUSE)
