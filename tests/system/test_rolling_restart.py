"""Two machines with pages and calls behind HAProxy are restarted one after the other: no call fails.

HAProxy runs with the sample of contrib/front; the processes and the database are real ones in a network of
the test's own, and 100 devices poll through it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from tests.contrib.test_front import FRONT, certificate
from tests.programs import required
from tests.system import network, postgres
from tests.system.network import Machine
from tests.system.postgres import PATIENCE, Server, home, until
from tests.system.site import Site, everything_is_there, went_offline

pytestmark = pytest.mark.system

WHY_NOT: Final = network.WHY_NOT or postgres.WHY_NOT
KINDS: Final = {"pages": ("dashboard.asgi:pages", 8000), "devices": ("devices.ingest.asgi:app", 8001)}


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    if WHY_NOT and not os.environ.get("REQUIRE_SYSTEM"):
        pytest.skip(WHY_NOT)
    assert not WHY_NOT, f"REQUIRE_SYSTEM is set, but: {WHY_NOT}"
    with network.network(["database", "one", "two", "front"]) as machines:
        yield machines


@dataclass
class Front:
    """HAProxy on a machine of its own, and somebody who asks for pages through it all the time."""

    machine: Machine
    log: Path
    statuses: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ups(self) -> int:
        """How often it said that a process is up again."""
        return len(re.findall(r"^Server \S+ is UP", self.log.read_text(), re.MULTILINE))

    def look(self) -> None:
        url = f"https://{self.machine.address}/sign-in/"
        asked = ("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: localhost", url)
        while not self.over.is_set():
            done = subprocess.run(self.machine.inside(*asked), capture_output=True, text=True, check=False)
            self.statuses.append(done.stdout)

    @contextmanager
    def looking(self) -> Iterator[None]:
        person = threading.Thread(target=self.look)
        person.start()
        try:
            yield
        finally:
            self.over.set()
            person.join(PATIENCE)


@contextmanager
def haproxy(place: Path, machine: Machine, behind: list[Machine]) -> Iterator[Front]:
    certificate(place)
    text = (FRONT / "haproxy.cfg").read_text().replace("/etc/haproxy/lookout.pem", str(place / "lookout.pem"))
    for _, port in KINDS.values():
        servers = "".join(f"    server s{n} {one.address}:{port}\n" for n, one in enumerate(behind))
        text = re.sub(rf"    server \S+ 127\.0\.0\.1:{port}\n", servers, text)
    (place / "haproxy.cfg").write_text(text)
    command = machine.inside(required("haproxy"), "-db", "-f", str(place / "haproxy.cfg"))
    front = Front(machine, place / "haproxy.log")
    with front.log.open("a") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield front
        finally:
            process.terminate()
            process.wait(PATIENCE)


class Processes:
    """Those of one machine of Lookout, pages and calls."""

    def __init__(self, site: Site, stack: ExitStack) -> None:
        self.site, self.stack = site, stack
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for app, port in KINDS.values():
            listen = ("-m", "dashboard.listen", app, "--host", "0.0.0.0", "--port", str(port))  # noqa: S104 - its own network
            self.running.append(self.stack.enter_context(self.site.process(*listen)))
        for _, port in KINDS.values():
            until(lambda port=port: self.site.status("/healthz", port=port) == 200)  # type: ignore[misc]

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(PATIENCE)
        self.running = []


def test_no_call_fails_while_the_machines_are_restarted_one_by_one(machines: list[Machine]) -> None:
    database, *behind, before = machines
    with tempfile.TemporaryDirectory(prefix="lookout-system-") as name, ExitStack() as stack:
        place = Path(name)
        place.chmod(0o711)
        server = Server(home(place / "database"), database)
        (state := place / "state").mkdir()
        server.make()
        stack.enter_context(server.running("listen_addresses=*"))
        site = Site(state, before, f"postgresql://lookout@{database.address}/lookout")
        replace(site, database=server.url("lookout")).make(server.url("lookout_owner"))
        both = [Processes(replace(site, machine=machine), stack) for machine in behind]
        for each in both:
            each.start()
        front = stack.enter_context(haproxy(place, before, behind))
        with site.devices(f"https://{before.address}"), front.looking():
            for each in both:
                ups = front.ups()
                each.stop()
                each.start()
                until(lambda ups=ups: front.ups() >= ups + len(KINDS))  # type: ignore[misc]
            site.everybody_polls_again()
        assert site.failed() == []
        assert set(front.statuses) == {"302"}  # there is no account yet: to the page that makes the first one
        assert went_offline(server) == []
        assert server.ask("SELECT count(*) FROM devices_outage") == [(0,)]
        assert everything_is_there(server, site.acknowledged())
