"""The demo that pictures are taken of: one that is started for it, or one that already runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 120.0  # seconds for the site to start
LIVES: Final = 90.0  # seconds for its devices to get into trouble, and some of them out of it


@contextmanager
def demo(address: str | None, own: Path, running: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a demo and its account (dashboard/demo/site.py)."""
    if address:
        yield address, json.loads((running / "demo.json").read_text())
        return
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    # A process group of its own: PostgreSQL's watcher ends what it runs when it is told to end.
    program = [sys.executable, "-m", "dashboard.postgres", sys.executable]
    with (
        (own / "log").open("w") as log,
        subprocess.Popen(
            [*program, "-m", "dashboard.serve", "--demo", "--port", str(port)],
            env=os.environ | {"STATE_DIRECTORY": str(own.resolve())},
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait(url, process)
            time.sleep(LIVES)
            yield url, json.loads((own / "demo.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)


def wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).close()  # noqa: S310 - http
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit("The demo did not start.")
