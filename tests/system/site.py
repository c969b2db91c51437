"""The site's processes on a machine of a test's own network, and devices that poll them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.system.network import Machine
from tests.system.polling import INTERVAL
from tests.system.postgres import Server, until

ROOT: Final = Path(__file__).resolve().parents[2]
PORT: Final = 8000
DEVICES: Final = 100
PATIENCE: Final = 60.0  # seconds
MAKE: Final = f"""
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from devices import keys
from devices.operations import lifecycle
from fleets.models import Fleet, Organization
organization = Organization.objects.create(name="o", slug="o")
used = {{"poll_interval": {INTERVAL}, "vpn_enabled": True}}
fleet = Fleet.objects.create(organization=organization, name="f", slug="f", **used)
devices = [lifecycle.register(fleet=fleet) for _ in range(int(sys.argv[1]))]
print(json.dumps({{device.uuid: keys.new_device_key(device) for device in devices}}))
"""


@dataclass(frozen=True)
class Site:
    """`state` holds its secrets, the devices' keys, and what those were told; `size` is how many these are.

    `settings`: of its processes besides. `log`: a file that these write to, instead of where this one writes.
    """

    state: Path
    machine: Machine
    database: str  # its URL
    size: int = DEVICES
    settings: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LOCAL": "1",
            "STATE_DIRECTORY": str(self.state),
            "DATABASE_URL": self.database,
            **self.settings,
        }

    def make(self, owner: str) -> None:
        """The tables, as this role of the database, an organization and its devices."""
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        environment = self.environment | {"DATABASE_OWNER_URL": owner}
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=180)
        made = subprocess.run(
            [sys.executable, "-c", MAKE, str(self.size)],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        (self.state / "keys.json").write_bytes(made.stdout)

    @contextmanager
    def process(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """One of Python's on the site's machine, until the block ends."""
        command = self.machine.inside(sys.executable, *arguments)
        with (
            self.log.open("a") if self.log else nullcontext() as log,
            subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()

    @contextmanager
    def ingest(self, processes: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        listen = ("-m", "dashboard.listen", "devices.ingest.asgi:app", "--port", str(PORT))
        with self.process(*listen, "--processes", str(processes)) as process:
            until(lambda: self.status("/healthz") == 200)
            yield process

    def status(self, path: str, *more: str, port: int = PORT) -> int:
        """Of an answer on the site's machine; 0 where nobody listens."""
        curl = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", *more)
        command = self.machine.inside(*curl, f"http://127.0.0.1:{port}{path}")
        return int(subprocess.run(command, capture_output=True, text=True, check=False).stdout)

    def poll(self) -> int:
        """The status that a device's poll is answered with."""
        key = next(iter(self.keys().values()))
        return self.status("/api/v1/heartbeat", "-X", "POST", "-H", f"Authorization: Bearer {key}")

    def keys(self) -> dict[str, str]:
        keys: dict[str, str] = json.loads((self.state / "keys.json").read_text())
        return keys

    @contextmanager
    def devices(self, address: str = f"http://127.0.0.1:{PORT}") -> Iterator[None]:
        """They poll this address until the block ends; at its beginning each has been answered."""
        told, keys = self.state / "told", self.state / "keys.json"
        told.touch()
        url = f"{address}/api/v1/heartbeat"
        with self.process("-m", "tests.system.polling", url, str(keys), str(told)):
            until(lambda: len(self.acknowledged()) == self.size)
            yield

    def acknowledged(self, since: float = 0) -> dict[str, float]:
        """When the last poll of each device was sent that was answered with success, after `since`."""
        last: dict[str, float] = defaultdict(float)
        for line in (self.state / "told").read_text().splitlines():
            uuid, sent, told_at = json.loads(line)
            if told_at >= since:
                last[uuid] = max(last[uuid], sent)
        return last

    def failed(self) -> list[str]:
        """Polls that were not answered with success: who, when sent, the status."""
        return (self.state / "told.failed").read_text().splitlines()

    def last_told(self) -> float:
        """When a device was last told of success."""
        return float(json.loads((self.state / "told").read_text().splitlines()[-1])[2])

    def everybody_polls_again(self) -> None:
        now = time.time()
        until(lambda: len(self.acknowledged(since=now)) == self.size)


def everything_is_there(server: Server, acknowledged: dict[str, float]) -> bool:
    rows = server.ask(
        "SELECT uuid, EXTRACT(epoch FROM last_poll_at)::float8 FROM devices_heartbeat"
        " JOIN devices_device ON devices_device.id = device_id"
    )
    kept: dict[str, float] = dict(rows)
    return all(kept[uuid] >= sent for uuid, sent in acknowledged.items())


def went_offline(server: Server) -> Sequence[object]:
    """Devices recorded as Offline or lost at any time, or lost by the clock unrecorded."""
    return server.ask(
        "SELECT device_id FROM devices_statuschange WHERE after = 'offline'"
        " UNION SELECT device_id FROM devices_connectivityrecord WHERE after = 'lost'"
        " UNION SELECT device_id FROM devices_heartbeat WHERE lost_at <= statement_timestamp()"
    )
