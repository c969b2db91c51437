"""The job that says what an alert rule would have told over some days, where that takes long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from devices import clock, jobs
from devices.alerts import rehearsal
from devices.jobs.runner import Refused
from devices.models import AlertRule, Job
from fleets.access import roles
from fleets.models import Role

if TYPE_CHECKING:
    from devices.jobs.runner import Run
    from fleets.actor import Actor


@transaction.atomic
def start(*, rule: AlertRule, days: int, actor: Actor | None, at: datetime | None = None) -> Job:
    """Start the job, or give the one that is under way. Raises PermissionDenied below Operator."""
    roles.require(actor, Role.OPERATOR, rule.organization)
    return jobs.start_once(
        kind=Job.Kind.REHEARSAL,
        organization=rule.organization,
        title=f"Rehearse {rule} over the last {days} days",
        actor=actor,
        parameters=_parameters(rule, days),
        at=at,
    )


def newest(rule: AlertRule, days: int) -> Job | None:
    """The newest job that rehearses this rule over so many days."""
    mine = Job.objects.filter(organization=rule.organization_id, kind=Job.Kind.REHEARSAL)
    return mine.filter(parameters=_parameters(rule, days)).first()


def do(run: Run) -> str:
    """The work of the job: what the rule, as it is now, would have told until now."""
    parameters = run.parameters
    rules = AlertRule.objects.filter(organization=run.job.organization_id).select_related("organization")
    rule = rules.filter(uuid=parameters["rule"]).first()
    if rule is None:
        raise Refused("The rule was deleted meanwhile.")
    until = clock.moment().concluded
    found = rehearsal.rehearse(rule, until - timedelta(days=parameters["days"]), until, run.progress)
    if found is None:
        raise Refused(rehearsal.impossible(rule))
    return found.words


def _parameters(rule: AlertRule, days: int) -> dict[str, object]:
    return {"rule": str(rule.uuid), "days": days}
