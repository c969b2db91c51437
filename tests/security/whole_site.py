"""The whole site as in production: a database of its own, and every process, which log all they can."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from dashboard.listen import HOST, bind
from tests.copies import copied
from tests.security.visitor import HOST as NAME

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PATIENCE: Final = 60.0
CONFIGURED: Final = {
    "secret key": "secret-key-of-the-whole-site-0123456789-0123456789-0123456789",
    "pepper": "pepper-of-the-whole-site-0123456789-0123456789",
    "password of the database": "database-password-0123456789",
}


@dataclass
class WholeSite:
    state: Path
    environment: dict[str, str]
    port: int  # of pages and calls
    ingest: int  # of calls alone
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.state / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.processes[name] = process
        return process

    def run(self, *arguments: str) -> str:
        """What a command of manage.py says to who calls it; what it logs is kept beside."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with (self.state / "commands.log").open("a") as log:
            log.write(f"INFO {arguments[0]}\n{done.stderr}")
        return done.stdout.strip()

    def logs(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in sorted(self.state.glob("*.log"))}

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(PATIENCE)


@contextmanager
def whole_site(state: Path, migrated: str) -> Iterator[WholeSite]:
    """Started and answering, with a copy of this database; stopped after the block."""
    with ExitStack() as stack:
        ports = []
        for _ in range(2):
            with bind(HOST, 0) as free:
                ports.append(free.getsockname()[1])
        database = f"whole_site_{os.getpid()}"
        stack.enter_context(copied(migrated, database))
        site = WholeSite(state, environment(state, database), *ports)
        stack.callback(site.stop)
        site.run("collectstatic", "--noinput", "--verbosity", "0")
        listen = ("-m", "tests.listen")
        site.start("site", *listen, "dashboard.asgi:application", "--port", str(site.port))
        site.start("ingest", *listen, "devices.ingest.asgi:app", "--port", str(site.ingest))
        site.start("settle", "manage.py", "settle", "--watch")
        site.start("worker", "manage.py", "work")
        for port in ports:
            wait_for(site, port)
        yield site


def environment(state: Path, database: str) -> dict[str, str]:
    def at(url: str) -> str:
        parts = urlsplit(url)
        password = CONFIGURED["password of the database"]
        told = (
            parts.netloc
            if ":" in parts.netloc.partition("@")[0]
            else parts.netloc.replace("@", f":{password}@")
        )
        return parts._replace(path=f"/{database}", netloc=told).geturl()

    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "tests.security.production",
        "STATE_DIRECTORY": str(state),
        "DATABASE_URL": at(settings.DATABASE_URL),
        "DATABASE_OWNER_URL": at(settings.DATABASE_OWNER_URL),
        "DATABASE_POOL": "4",
        "SECRET_KEY": CONFIGURED["secret key"],
        "KEY_PEPPER": CONFIGURED["pepper"],
        "ALLOWED_HOSTS": NAME,
        "TRUSTED_PROXIES": HOST,
        "LOCAL": "0",
        "LOG_LEVEL": "DEBUG",
    }


def wait_for(site: WholeSite, port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with socket.create_connection((HOST, port), 1):
                return
        except OSError:
            assert all(process.poll() is None for process in site.processes.values()), site.logs()
            time.sleep(0.05)
    raise AssertionError(site.logs())
