"""Watches an OpenVPN server: sends the events that the hook noted, and every 10 s the list of all clients."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from devices.vpn import journal, watch
from devices.vpn.management import Management
from devices.vpn.site import Device, Names, Site, read_key
from devices.vpn.spool import Note, Spool

PAUSE = 0.25  # seconds between two looks into the spool


class OpenVpn:
    """The watcher of one OpenVPN server."""

    def __init__(self, site: Site, spool: Spool, management: Management, names: Names) -> None:
        self._site = site
        self._spool = spool
        self._management = management
        self._names = names
        self._sent_boot = spool.boot
        self._sign_at = 0.0
        self._failed = False  # the spool's disk: what it holds may no longer be so

    def look(self, now: float) -> None:
        """Report to the site what is due; `now` in seconds of a monotonic clock. Raises NotHeard.

        Events are sent before the list, so that the history has the right reasons. But a new process life is
        reported first, since its clients' sessions belong to it. If the disk fails, notes are lost, but signs
        are sent.
        """
        notes, due = self._pending(), now >= self._sign_at
        if not notes and not due:
            return
        boot = self._boot(now)
        if boot and boot != self._sent_boot:
            self._sign(boot, now)
            due = False
        self._send(notes)
        if boot and due:
            self._sign(boot, now)

    def _pending(self) -> dict[str, Note]:
        """The notes to send, by common name.

        None while the disk fails. After that, notes from before are dropped, as later ones are missing.
        """
        try:
            notes = self._spool.pending()
            if self._failed:
                self._spool.sent(notes)
                notes = {}
        except OSError as error:
            self._fail(error)
            return {}
        if self._failed:
            journal.once("spool", "The notes can be written again")
        self._failed = False
        return notes

    def _fail(self, error: OSError) -> None:
        self._failed = True
        journal.once(
            ("spool"), f"The notes cannot be written: {error}. Connections are read from the list instead."
        )

    def _boot(self, now: float) -> str:
        """The server's process life.

        Empty while OpenVPN does not answer: then no sign is sent, and its lease ends.
        """
        try:
            boot = self._management.boot()
        except OSError as error:
            journal.once("VPN", f"OpenVPN does not answer: {error}")
            self._sign_at = now + watch.RETRY
            return ""
        journal.once("VPN", f"OpenVPN answers (process and start: {boot})")
        return boot

    def _sign(self, boot: str, now: float) -> None:
        try:
            clients = self._management.clients()
        except OSError:
            return  # the next look asks again
        self._site.alive(self._names.uuids(clients).values(), boot=boot)
        self._sent_boot = boot
        self._sign_at = now + watch.SIGN_EVERY
        try:
            self._spool.boot = boot
        except OSError as error:
            self._fail(error)

    def _send(self, notes: dict[str, Note]) -> None:
        uuids = self._names.uuids(notes)
        for name in notes.keys() - uuids:
            journal.once(name, f"{name} is not the name of a device")
        for connected, tell in ((False, self._site.disconnect), (True, self._site.connect)):
            chosen = [name for name, note in notes.items() if note.connected is connected]
            tell([_device(uuids[name], notes[name]) for name in chosen if name in uuids])
            try:
                self._spool.sent(chosen)
            except OSError as error:
                self._fail(error)


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
