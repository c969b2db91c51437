"""`make bench signins`: TIMES chooses how many floods, RATE how many heartbeats a second."""

import os
import signal
import sys

from tests.bench import database
from tests.bench.options import from_environment

signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
os.environ.setdefault("DEVICES", "2000")
os.environ.setdefault("BENCH_DATABASE", "lookout_bench_signins")
options = from_environment()
database.choose(options)
# Production's settings; static files beside the state, and a proxy in front that says who asks.
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.security.production"
os.environ["TRUSTED_PROXIES"] = "127.0.0.1"

import django  # noqa: E402 - after the database is chosen

django.setup()

from tests.bench.signins.run import run  # noqa: E402 - models need the set-up above

sys.exit(run(options, int(os.environ.get("TIMES", "10")), int(os.environ.get("RATE", "100"))))
