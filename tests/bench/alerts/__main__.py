"""`make bench alerts`: DEVICES are lost in SECONDS, after TIMES of them were lost one by one.

RULES chooses how many rules there are, DELAY after how many seconds they tell at the latest.
"""

import os
import sys

from tests.bench import database
from tests.bench.options import from_environment

devices = int(os.environ.setdefault("DEVICES", "100000"))
os.environ.setdefault("SECONDS", "60")
os.environ["BENCH_DATABASE"] = f"{os.environ.get('BENCH_DATABASE', 'lookout_bench_alerts')}_{devices}"
options = from_environment()
database.choose(options)

import django  # noqa: E402 - after the database is chosen

django.setup()

from tests.bench.alerts.run import run  # noqa: E402 - models need the set-up above
from tests.bench.alerts.site import Size  # noqa: E402

alone, rules, delay = (
    int(os.environ.get(name, usual)) for name, usual in (("TIMES", "30"), ("RULES", "50"), ("DELAY", "120"))
)
run(Size(devices, options.seconds, alone, rules, delay), options.state)
sys.exit(0)
