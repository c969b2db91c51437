"""The command of `make bench`; options.py has its options."""

import signal
import sys

import django

from tests.bench import database
from tests.bench.load import require_wrk
from tests.bench.options import from_environment

# As Ctrl-C does: the processes that we started end with us.
signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
require_wrk()
options = from_environment()
database.choose(options)
django.setup()

from tests.bench.run import run  # noqa: E402 - models need the set-up above

sys.exit(run(options))
