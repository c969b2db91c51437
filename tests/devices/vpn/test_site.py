"""What the site is told, what it says, and what a person sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devices.models import Device, VpnServer
from devices.vpn import site as site_module
from devices.vpn.site import Names, NotHeard, Site, WrongSettings, read_key, read_names
from tests.devices.ingest.world import World
from tests.devices.vpn.conftest import RunningSite

UUIDS = {"pump-1": "a" * 32, "pump-2": "b" * 62}


def test_the_site_takes_what_it_is_told(
    site: RunningSite, world: World, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "BATCH", 2)
    told = Site(f"{site.url}/", "vpn-1", key_file)
    told.alive([], boot="1-1")
    told.connect(["0" * 32, "1" * 32, {"uuid": world.device.uuid, "session": "7-1194"}])
    world.device.refresh_from_db()
    assert (world.device.vpn_connected, world.device.vpn_session) == (True, "7-1194")
    told.disconnect([{"uuid": world.device.uuid, "session": "6-1194"}])
    assert Device.objects.filter(vpn_connected=True).count() == 1
    told.disconnect([world.device.uuid])
    assert Device.objects.filter(vpn_connected=True).count() == 0
    assert VpnServer.objects.get().boot == "1-1"


def test_what_the_site_refuses_was_not_heard(site: RunningSite, world: World, key_file: Path) -> None:
    Site(site.url, "vpn-1", key_file).alive([])
    key_file.write_text(world.device_key)
    with pytest.raises(NotHeard, match="alive: 401"):
        Site(site.url, "vpn-1", key_file).alive([])
    with pytest.raises(NotHeard, match="alive: "):
        Site("http://127.0.0.1:9", "vpn-1", key_file).alive([])


class Elsewhere(BaseHTTPRequestHandler):
    """Not the site: a page for everybody, or a redirect to one."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302 if self.path.startswith("/moved") else 200)
        self.send_header("Location", "/")
        self.end_headers()
        self.wfile.write(b'"welcome"')

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_200_of_somebody_else_is_no_success(elsewhere: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("k" * 32)
    with pytest.raises(NotHeard, match="not the site's reply"):
        Site(elsewhere, "vpn-1", key).alive([])
    with pytest.raises(NotHeard, match="302"):
        Site(f"{elsewhere}/moved", "vpn-1", key).alive([])


def test_a_key_is_kept_from_others(tmp_path: Path) -> None:
    key = tmp_path / "key"
    with pytest.raises(WrongSettings, match="No such file"):
        read_key(key)
    key.touch(0o640)
    with pytest.raises(WrongSettings, match="chmod 600"):
        read_key(key)
    key.chmod(0o600)
    for text in ("", "two words", "two\nlines"):
        key.write_text(text)
        with pytest.raises(WrongSettings, match="nothing else"):
            read_key(key)
    key.write_text(f"{'k' * 32}\n")
    assert read_key(key) == "k" * 32
    with pytest.raises(WrongSettings, match="address"):
        Site("lookout.example", "vpn-1", key)


def test_without_a_file_a_name_is_a_uuid() -> None:
    assert Names().uuids(["a" * 32, "b" * 62, "A" * 32, "a" * 31, "admin"]) == {
        "a" * 32: "a" * 32,
        "b" * 62: "b" * 62,
    }


def test_names_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_text(f"\n# ours\npump-1 {UUIDS['pump-1']}  # first\npump-2\t{UUIDS['pump-2']}\n")
    names = Names(file)
    assert names.uuids(["pump-1", "pump-2", "admin"]) == UUIDS
    file.write_text("pump-1\n")
    assert names.uuids(["pump-1"]) == {"pump-1": UUIDS["pump-1"]}
    file.unlink()
    assert names.uuids(["pump-1"]) == {"pump-1": UUIDS["pump-1"]}
    file.write_text(f"pump-3 {'c' * 32}\n")
    assert names.uuids(["pump-1", "pump-3"]) == {"pump-3": "c" * 32}
    file.write_bytes(b"pump-4 \xff\n")
    assert names.uuids(["pump-3"]) == {"pump-3": "c" * 32}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("pump 1 UUID", "pump 1"),
        ("  pump  1   UUID  ", "pump  1"),
        ("pump#1 UUID", "pump#1"),
        ("pump #1 (north) UUID # was UUID", "pump #1 (north)"),
        ("o'brien's UUID#ours", "o'brien's"),
        ('"#1" UUID # quoted', "#1"),
        ('" 1 " UUID', " 1 "),
        ('"pump" 1 UUID', '"pump" 1'),
        ('""pump"" UUID', '"pump"'),
    ],
)
def test_a_name_may_hold_spaces_and_number_signs(tmp_path: Path, line: str, name: str) -> None:
    for uuid in UUIDS.values():
        text = f"# UUID\n{line}\n".replace("UUID", uuid)
        assert read_names(text, tmp_path) == {name: uuid}


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_bytes(b"\xef\xbb\xbf" + f"pump-1 {UUIDS['pump-1']}\n".encode())
    assert Names(file).uuids(["pump-1"]) == {"pump-1": UUIDS["pump-1"]}


@pytest.mark.parametrize("text", ["pump-1\n", f"pump-1 {'A' * 32}\n", f"pump-1 {'a' * 32} 1\n"])
def test_a_wrong_line_is_named_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "names"
    file.write_text(f"# ours\n{text}")
    with pytest.raises(WrongSettings, match="names, line 2"):
        Names(file)
    with pytest.raises(WrongSettings, match="No such file"):
        Names(tmp_path / "nothing")
