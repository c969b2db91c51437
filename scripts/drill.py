"""Drill of a real outage: the site is killed and comes back, and the history must show only that outage.

usage: .venv/bin/python scripts/drill.py [--devices 20] [--outage 75]

Takes some four minutes, with a database of its own in a directory that it removes: the site,
`settle --watch`, `tell --watch`, `work` and virtual devices that poll every 10 s over HTTP, all as processes.
Some devices are lost before the outage, some during it, the others stay. The rules of alerts are on. Each
finding is printed with the expected value if it differs. This file starts the database and itself once more
within it; drill_rehearsal.py then runs the processes, drill_database.py makes the devices and reads what was
recorded, and drill_alerts.py receives what is told.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = "DRILL_STATE"  # environment variable of the inner process: the directory of its files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=20, help="default %(default)s; at least 5")
    parser.add_argument("--outage", type=int, default=75, help="seconds; default %(default)s")
    options = parser.parse_args()
    if STATE in os.environ:
        return drill(Path(os.environ[STATE]), max(5, options.devices), options.outage)
    state = Path(tempfile.mkdtemp(prefix="drill-"))
    ours = {"STATE_DIRECTORY": str(state), STATE: str(state), "LOCAL": "1"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    command = [sys.executable, "-m", "dashboard.postgres", sys.executable, *sys.argv]
    try:
        return subprocess.call(command, cwd=ROOT, env=inherited | ours | {"PYTHONPATH": str(ROOT)})
    finally:
        shutil.rmtree(state)


def drill(state: Path, devices: int, seconds: int) -> int:
    """Rehearse an outage of so many seconds in the database of the environment; the exit status.

    That is 1 if a finding is wrong. `state`: the directory of keys and logs.
    """
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True)
    from drill_alerts import Alerts, receivers  # noqa: PLC0415 - of the inner process alone

    with receivers() as (web, mail):
        os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
        import django  # noqa: PLC0415 - of the database above

        django.setup()
        from drill_database import judge, make_devices  # noqa: PLC0415 - models load after django.setup
        from drill_rehearsal import rehearse  # noqa: PLC0415

        return judge(rehearse(make_devices(state, devices), state, seconds, Alerts(web, mail)))


if __name__ == "__main__":
    sys.exit(main())
