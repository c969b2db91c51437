"""`make bench outage`: DEVICES, CONNECTIONS and PROCESSES as of `make bench`; SECONDS before and after
it, which lasts for AWAY seconds."""

import os
import signal
import sys

import django

from tests.bench import database
from tests.bench.load import require_wrk
from tests.bench.options import from_environment

signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
require_wrk()
os.environ.setdefault("SECONDS", "20")
options = from_environment()
database.choose(options)
django.setup()

from tests.bench.outage.run import run  # noqa: E402 - models need the set-up above

run(options, int(os.environ.get("AWAY", "300")))
