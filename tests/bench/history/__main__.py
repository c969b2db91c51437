"""`make bench history`: DEVICES, and ROWS of both histories together, choose the data set."""

import os
import sys

from tests.bench import database
from tests.bench.options import from_environment

devices = int(os.environ.setdefault("DEVICES", "1000000"))
rows = int(os.environ.get("ROWS", "50000000"))
os.environ["BENCH_DATABASE"] = f"{os.environ.get('BENCH_DATABASE', 'lookout_bench_history')}_{devices}_{rows}"
options = from_environment()
database.choose(options)

import django  # noqa: E402 - after the database is chosen

django.setup()

from tests.bench.history.run import run  # noqa: E402 - models need the set-up above

run(devices, rows, int(os.environ.get("TIMES", "11")), options.state)
sys.exit(0)
