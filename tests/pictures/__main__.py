"""Takes pictures of every page and state of a demo: `python -m tests.pictures`.

Without --address it starts a fresh demo of its own and waits until its devices have had their troubles.
All pictures go to var/pictures, with an index.html that shows them, those of README to docs/pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="of a running demo; none: start one")
    parser.add_argument("--state", type=Path, default=Path("var"), help="where it keeps demo.json")
    parser.add_argument("--only", default="", help="names of states begin so")
    parser.add_argument("--chosen", action="store_true", help="only those that README and docs show")
    parser.add_argument("--to", type=Path, default=Path("var/pictures"))
    options = parser.parse_args()

    os.environ |= {"DJANGO_SETTINGS_MODULE": "dashboard.settings", "LOCAL": "1"}
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in this thread
    import django  # noqa: PLC0415 - after its settings are named

    django.setup()
    from tests.pictures import take  # noqa: PLC0415 - need Django's templates
    from tests.pictures.site import demo  # noqa: PLC0415
    from tests.pictures.states import STATES  # noqa: PLC0415

    chosen = [
        state
        for state in STATES
        if state.name.startswith(options.only) and (state.name in take.CHOSEN or not options.chosen)
    ]
    with demo(options.address, options.to / "site", options.state) as (url, account):
        faults = take.take(chosen, options.to, url, account)
    for name, fault in faults.items():
        sys.stderr.write(f"{name}: {fault}\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
