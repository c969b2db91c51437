"""HAProxy with the sample of contrib/front before machines with pages and calls, in a test's own network."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.contrib.test_front import FRONT, certificate
from tests.programs import required
from tests.system.network import Machine
from tests.system.postgres import PATIENCE, until
from tests.system.site import Site

KINDS: Final = {"pages": ("dashboard.asgi:pages", 8000), "devices": ("devices.ingest.asgi:app", 8001)}


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
            self.over.wait(0.5)  # more often, and the site would refuse it

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
def haproxy(
    place: Path, machine: Machine, behind: Sequence[Machine], more: str = "", sockets: Sequence[int] = ()
) -> Iterator[Front]:
    """It runs until the block ends. `more` follows the sample; `sockets`: those that it inherits."""
    certificate(place)
    text = (FRONT / "haproxy.cfg").read_text().replace("/etc/haproxy/lookout.pem", str(place / "lookout.pem"))
    for _, port in KINDS.values():
        servers = "".join(f"    server s{n} {one.address}:{port}\n" for n, one in enumerate(behind))
        text = re.sub(rf"    server \S+ 127\.0\.0\.1:{port}\n", servers, text)
    (place / "haproxy.cfg").write_text(text + more)
    command = machine.inside(required("haproxy"), "-db", "-f", str(place / "haproxy.cfg"))
    front = Front(machine, place / "haproxy.log")
    with (
        front.log.open("a") as log,
        subprocess.Popen(command, stdout=log, stderr=log, pass_fds=sockets) as process,
    ):
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
