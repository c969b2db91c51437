"""The site as in production: its own server, in a process of its own, in the database of the test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.listen import HOST, bind
from tests.worker import ROOT, a_worker, wait_until


@contextmanager
def a_site() -> Iterator[str]:
    """The address of one process of the site."""
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(
        collect, cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": "dashboard.settings"}, check=True
    )
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    url = f"http://{HOST}:{port}"
    with a_worker("-m", "tests.listen", "dashboard.asgi:pages", "--port", str(port), pool=20):
        wait_until(lambda: _answers(port))
        yield url


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0
