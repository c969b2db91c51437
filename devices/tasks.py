"""What jobs do, by kind. A function is given its Run, and returns what came of it in words."""

from __future__ import annotations

from typing import Final

from devices import bulk_run, imports, long_changes, runs
from devices.models import Job

KINDS: Final[dict[str, runs.Doing]] = {
    Job.Kind.PREREGISTER: imports.do,
    Job.Kind.BULK: bulk_run.do,
    Job.Kind.PLAN: long_changes.plan_run,
    Job.Kind.FLEET: long_changes.fleet_run,
}
