"""The process that tests/system/forks.py starts: `python -m tests.system.forked PORT`.

It reads the names of parts, one a line, and starts each as a child. It answers with the child's process id.
"""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup()
faulthandler.register(signal.SIGUSR1, all_threads=True)

from django.core.management import call_command  # noqa: E402  models need the set-up above

import dashboard.asgi  # noqa: E402, F401
import devices.ingest.asgi  # noqa: E402, F401
from dashboard.listen import HOST, bind, serve  # noqa: E402
from dashboard.management.commands import settle, tell  # noqa: E402, F401
from devices.alerts import lane  # noqa: E402
from devices.worker import worker as works  # noqa: E402

LEASE: Final = timedelta(seconds=6)  # of the lane of a target: longer than any attempt on loopback


def teller() -> None:
    """`manage.py tell --watch`."""
    call_command("tell", watch=True, verbosity=0)


def settler() -> None:
    """`manage.py settle --watch`."""
    call_command("settle", watch=True, verbosity=0)


def worker() -> None:
    """`manage.py work`, which notices sooner than usual that another one died, with shorter leases."""
    lane.LEASE = LEASE  # type: ignore[misc]
    works.SIGN, works.LOOK, works.DEAD = 0.5, 0.5, 4.0  # type: ignore[misc]
    works.DELIVERIES = 4  # type: ignore[misc]  # so many messages come twice at most where one dies
    asyncio.run(works.work())


def ingest() -> None:
    """`python -m dashboard.listen devices.ingest.asgi:app`."""
    serve("devices.ingest.asgi:app", bind(HOST, int(sys.argv[1]), share=True))


def site() -> None:
    """`python -m dashboard.listen dashboard.asgi:application`: pages and ingest."""
    serve("dashboard.asgi:application", bind(HOST, int(sys.argv[1]), share=True))


PARTS: Final[dict[str, Callable[[], None]]] = {
    "teller": teller,
    "settler": settler,
    "worker": worker,
    "ingest": ingest,
    "site": site,
}


def main() -> None:
    """Start what is asked for, until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed leaves nothing behind
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            try:
                PARTS[line.strip()]()
            finally:
                os._exit(1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
