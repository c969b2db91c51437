"""`make bench`: see options.py for what can be chosen."""

import sys

import django

from tests.bench import database
from tests.bench.load import require_wrk
from tests.bench.options import from_environment

require_wrk()
options = from_environment()
database.choose(options)
django.setup()

from tests.bench.run import run  # noqa: E402 - models need the set-up above

sys.exit(run(options))
