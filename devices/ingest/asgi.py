"""The ASGI app of the ingest: no framework and no middleware between a socket and a call.

A heartbeat goes from `service` through `native.heartbeat` into a batch, which `contacts` commits.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup()

from devices.ingest import health  # noqa: E402  models need the set-up above
from devices.ingest.app import Ingest  # noqa: E402
from devices.ingest.native import calls as native  # noqa: E402  models need the set-up above
from devices.ingest.supervisor import calls as supervisor  # noqa: E402  models need the set-up above

app = Ingest((*health.CALLS, *native.CALLS, *supervisor.CALLS))
# Where the calls are; every other path is a page's.
PATHS = (*health.PATHS, "/api/v1/", *supervisor.PATHS)
