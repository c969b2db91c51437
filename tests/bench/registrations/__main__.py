"""`make bench registrations`: DEVICES register at once in one organization, under quorum commit.

Two servers of Debian's PostgreSQL 15 on machines of a network of its own; each commit waits for the second
one. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.system import network, postgres
from tests.system.network import Machine
from tests.system.postgres import Server, home, quorum
from tests.system.site import PORT, ROOT, Site

GOAL: Final = 10.0  # seconds for 1,000
DEVICES: Final = int(os.environ.get("DEVICES", "1000"))
KEY: Final = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from devices import keys
from fleets.models import Fleet
print(keys.new_provisioning_key(Fleet.objects.get()))
"""


def run(primary: Server, standby: Server, site: Site) -> None:
    primary.make()
    with primary.running():
        site.make(primary.url("lookout_owner"))
    with quorum(primary, standby), site.ingest():
        made = [sys.executable, "-c", KEY]
        key = subprocess.check_output(made, cwd=ROOT, env=site.environment, text=True).strip()
        url = f"http://127.0.0.1:{PORT}/api/v1/register"
        command = [sys.executable, "-m", "tests.bench.registrations.registering", url, key, str(DEVICES)]
        said = subprocess.check_output(site.machine.inside(*command), cwd=ROOT, text=True)
    found = json.loads(said)
    seconds = found["seconds"]
    print(f"{DEVICES} registrations at once: {seconds:.1f} s, {DEVICES / seconds:.0f}/s; {found['answers']}")  # noqa: T201
    print(f"Goal for 1,000: under {GOAL:.0f} s.")  # noqa: T201


def main(machines: list[Machine]) -> None:
    with tempfile.TemporaryDirectory(prefix="lookout-bench-") as place:
        here = Path(place)
        here.chmod(0o711)
        (state := here / "state").mkdir()
        primary = Server(home(here / "primary"), machines[0])
        standby = Server(home(here / "standby"), machines[1])
        run(primary, standby, Site(state, machines[2], primary.url("lookout")))


if __name__ == "__main__":
    if missing := network.WHY_NOT or postgres.WHY_NOT:
        sys.exit(f"make bench registrations cannot run: {missing}.")
    with network.network(["primary", "standby", "site"]) as made:
        main(made)
