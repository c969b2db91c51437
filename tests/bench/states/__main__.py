"""`make bench states`: DEVICES chooses how many devices, TIMES how often each page is read, ONLY (a regular
expression) which conditions."""

import os
import sys

from tests.bench import database
from tests.bench.options import from_environment

os.environ.setdefault("DEVICES", "1000000")
devices = int(os.environ["DEVICES"])
os.environ.setdefault("BENCH_DATABASE", f"lookout_bench_states_{devices}")
options = from_environment()
database.choose(options)

import django  # noqa: E402 - after the database is chosen

django.setup()

from tests.bench.states.run import run  # noqa: E402 - models need the set-up above

sys.exit(run(options, int(os.environ.get("TIMES", "3")), os.environ.get("ONLY", "")))
