"""The samples under contrib/ as real programs in front of Lookout and of an API, and a load of devices."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from dashboard.listen import HOST, bind
from tests.devices.ingest.relay import alone
from tests.programs import required
from tests.security.proxies import NGINX_ALONE, PATIENCE, listens
from tests.worker import ROOT, wait_until

SAMPLES: Final = {
    "haproxy": ROOT / "contrib/haproxy/lookout.cfg",
    "nginx": ROOT / "contrib/nginx/lookout.conf",
}
NGINX: Final = NGINX_ALONE + "access_log off; include {file}; }}"
RATE: Final = 100  # calls in a second
CALLS: Final = 1_200


@contextmanager
def front(directory: Path, program: str, lookout: int, api: int) -> Iterator[int]:
    """The port of this program with its sample, in front of Lookout and of the API at these ports."""
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    text = SAMPLES[program].read_text(encoding="utf-8")
    for address, actual in (("8080", port), ("8001", lookout), ("8000", api)):
        text = text.replace(f"127.0.0.1:{address}", f"{HOST}:{actual}")
    file = directory / f"{program}.conf"
    file.write_text(text)
    if program == "nginx":
        whole = directory / "whole.conf"
        whole.write_text(NGINX.format(directory=directory, file=file))
        command = [required("nginx"), "-c", str(whole), "-p", str(directory), "-e", "stderr"]
    else:
        command = [required("haproxy"), "-db", "-q", "-f", str(file)]
    with subprocess.Popen(command) as process:
        try:
            wait_until(lambda: listens(process, port))
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


@dataclass
class Load:
    """Devices that poll and report, RATE calls in a second, each on a connection of its own."""

    port: int
    uuids: list[str]
    failed: list[str] = field(default_factory=list)
    answered: int = 0

    async def run(self) -> None:
        """Make CALLS calls, and wait for their answers."""
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            calls = []
            for number in range(CALLS):
                calls.append(asyncio.create_task(self._call(session, number)))
                await asyncio.sleep(1 / RATE)
            await asyncio.gather(*calls)

    async def _call(self, session: aiohttp.ClientSession, number: int) -> None:
        uuid = self.uuids[number % len(self.uuids)]
        headers = {
            "Host": alone.HOST,
            "Authorization": f"Bearer key of {uuid}",
            "User-Agent": "Supervisor/19.0.5",
        }
        reports = number % 4 == 0
        path = "/device/v3/state" if reports else f"/device/v3/{uuid}/state"
        body = {uuid: {"status": "Idle"}} if reports else None
        try:
            async with session.request(
                "PATCH" if reports else "GET", f"http://{HOST}:{self.port}{path}", headers=headers, json=body
            ) as answer:
                await answer.read()
                if answer.status == 200:
                    self.answered += 1
                else:
                    self.failed.append(f"{answer.method} {path}: {answer.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(f"{path}: {error!r}")
