"""`make bench idle`: DEVICES chooses how many devices, SECONDS how long the processes are watched."""

import os
import shutil
import signal
import sys

from tests.bench.options import ROOT, from_environment

signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
os.environ.setdefault("DEVICES", "300")
os.environ.setdefault("SECONDS", "60")
options = from_environment()

# A site of its own with an embedded database of its own, so that nothing but this site is measured.
site = (options.state / "bench" / "idle").resolve()
shutil.rmtree(site, ignore_errors=True)
site.mkdir(parents=True)
for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_DIRECT_URL", "PYTHONPATH"):
    os.environ.pop(name, None)
os.environ |= {
    "STATE_DIRECTORY": str(site),
    "LOCAL": "1",
    "LOG_LEVEL": "WARNING",
    "DJANGO_SETTINGS_MODULE": "dashboard.settings",
}
os.chdir(ROOT)

import django  # noqa: E402 - after the database is chosen

django.setup()

from tests.bench.idle.run import run  # noqa: E402 - models need the set-up above

run(options, site)
