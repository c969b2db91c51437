"""`make bench rules`: DEVICES chooses how many change their status, QUIET for how many seconds before."""

import os

from tests.bench import database
from tests.bench.options import from_environment

devices = int(os.environ.setdefault("DEVICES", "100000"))
os.environ["BENCH_DATABASE"] = f"{os.environ.get('BENCH_DATABASE', 'lookout_bench_rules')}_{devices}"
options = from_environment()
database.choose(options)

import django  # noqa: E402 - after the database is chosen

django.setup()

from tests.bench.rules.run import run  # noqa: E402 - models need the set-up above

run(devices, float(os.environ.get("QUIET", "5")), options.state)
