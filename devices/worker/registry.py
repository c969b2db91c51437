"""The job registry: the function that does the work of each kind of job."""

from __future__ import annotations

from typing import Final

from devices.background import bulk_action, plan_change, preregistration, rule_rehearsal, vpn_following
from devices.jobs import runner
from devices.models import Job

KINDS: Final[dict[str, runner.Work]] = {
    Job.Kind.PREREGISTER: preregistration.do,
    Job.Kind.BULK: bulk_action.do,
    Job.Kind.PLAN: plan_change.plan_run,
    Job.Kind.FLEET: plan_change.fleet_run,
    Job.Kind.VPN: vpn_following.do,
    Job.Kind.REHEARSAL: rule_rehearsal.do,
}
