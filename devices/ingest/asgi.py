"""The ASGI callable of the ingest, `app`: no framework and no middleware between a socket and a call.

The way of a heartbeat through the files is drawn in docs/architecture.md.
"""

import os

import django
from asgiref.typing import Scope

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup()

from devices.ingest import health, watched  # noqa: E402  models need the set-up above
from devices.ingest.app import Ingest  # noqa: E402
from devices.ingest.native import calls as native  # noqa: E402  models need the set-up above
from devices.ingest.supervisor import calls as supervisor  # noqa: E402  models need the set-up above

app = Ingest((*health.CALLS, *watched.CALLS, *native.CALLS, *supervisor.CALLS))
# The beginnings of the paths of all calls; every other path of the site's own hosts is a page's.
PATHS = (*health.PATHS, *watched.PATHS, "/api/v1/", *supervisor.PATHS)


def takes(scope: Scope) -> bool:
    """Whether it is a call for the ingest, by its path or by its host, where that is relayed."""
    if scope["type"] != "http":
        return scope["type"] == "lifespan"
    return scope["path"].startswith(PATHS) or app.relay.hosts.target(scope) is not None
