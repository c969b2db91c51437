"""`make bench pages`: SIZES="100000 1000000" chooses the data sets, TIMES how often each page is read,
ONLY (a regular expression) what is measured at all."""

import os
import subprocess
import sys

from tests.bench import database
from tests.bench.options import ROOT, from_environment

FLEETS = {100_000: 200, 1_000_000: 1000}


def main() -> int:
    """A process for each data set, which has a database of its own, kept for the next time."""
    sizes = [int(size) for size in os.environ.get("SIZES", "100000 1000000").split()]
    codes = [
        subprocess.run(
            [sys.executable, "-m", "tests.bench.pages", "one"], env=environment(size), check=False, cwd=ROOT
        )
        for size in sizes
    ]
    return max(code.returncode for code in codes)


def environment(devices: int) -> dict[str, str]:
    name = os.environ.get("BENCH_DATABASE", "lookout_bench_pages")
    own = {
        "DEVICES": devices,
        "FLEETS": FLEETS.get(devices, max(2, devices // 1000)),
        "BENCH_DATABASE": f"{name}_{devices}",
    }
    return {"TIMES": "5"} | os.environ | {key: str(value) for key, value in own.items()}


def one() -> int:
    database.choose(from_environment())
    import django  # noqa: PLC0415 - after the database is chosen

    django.setup()
    from tests.bench.pages import run  # noqa: PLC0415 - models need the set-up above

    run.from_environment()
    return 0


sys.exit(one() if sys.argv[1:] == ["one"] else main())
