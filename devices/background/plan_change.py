"""Changing a plan or a fleet's type: at once, or by a job where very many devices freeze or thaw.

Either way in one transaction (domain.md, Freezing), by freezing.change_plan and fleet_settings.change_fleet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import freezing, jobs
from devices.freezing.forecast import forecast, forecast_type
from devices.jobs.runner import Refused, Run
from devices.models import Job
from devices.operations import fleet_settings
from devices.words import thousands
from fleets.access import roles
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Fleet, FleetType, Organization, Plan, Role
from fleets.services.fleets import settings_of, version

if TYPE_CHECKING:
    from fleets.actor import Actor

AT_ONCE: Final = 10_000  # devices that a request freezes or thaws without a job, at most


@transaction.atomic
def change_plan(
    *,
    organization: Organization,
    actor: Actor | None,
    plan: Plan,
    allowance: int | None,
    unpaid: bool,
    seen: str,
) -> int | Job:
    """Change the plan at once, or start a job that does, by freezing.change_plan.

    Returns how many devices changed, or the job. Raises PermissionDenied, ChangedMeanwhile.
    """
    roles.require(actor, Role.OWNER, organization)
    wanted: dict[str, Any] = {"plan": plan, "allowance": allowance, "unpaid": unpaid}
    affected = forecast(organization, **wanted).affected
    if affected <= AT_ONCE:
        return freezing.change_plan(organization=organization, actor=actor, seen=seen, **wanted)
    if seen != freezing.plan_version(organization):
        raise ChangedMeanwhile(f"The plan of {organization}")
    return jobs.start_once(
        kind=Job.Kind.PLAN,
        organization=organization,
        title=f"Change the plan: {thousands(affected)} devices",
        actor=actor,
        parameters=wanted | {"seen": seen},
        total=affected,
        least=Role.OWNER,
    )


def plan_run(run: Run) -> str:
    """The work of the job that change_plan starts."""
    organization = run.job.organization
    try:
        changed = freezing.change_plan(
            organization=organization, actor=run.actor, tell=run.progress, **run.parameters
        )
    except ChangedMeanwhile as error:
        raise Refused("The plan was changed meanwhile, so nothing was changed.") from error
    return f"{thousands(changed)} devices froze, thawed or changed the reason."


@transaction.atomic
def change_fleet(*, fleet: Fleet, actor: Actor | None, seen: str, **settings: Any) -> Job | None:
    """Change settings of a fleet at once, or start a job that does, by fleet_settings.change_fleet.

    Returns the job; None: it is done. Raises PermissionDenied, ChangedMeanwhile.
    """
    roles.require(actor, Role.ADMINISTRATOR, fleet.organization)
    affected, now = 0, settings_of(fleet)
    if settings.get("type", now["type"]) != now["type"]:
        affected = forecast_type(fleet, FleetType(settings["type"])).affected
    if affected <= AT_ONCE:
        fleet_settings.change_fleet(fleet=fleet, actor=actor, seen=seen, **settings)
        return None
    if seen != version(now):
        raise ChangedMeanwhile(f"The settings of {fleet}", now)
    return jobs.start_once(
        kind=Job.Kind.FLEET,
        organization=fleet.organization,
        title=f"Change the type of {fleet}: {thousands(affected)} devices",
        actor=actor,
        parameters={"fleet": fleet.slug, "seen": seen, "settings": settings},
        total=affected,
        least=Role.ADMINISTRATOR,
    )


def fleet_run(run: Run) -> str:
    """The work of the job that change_fleet starts."""
    parameters = run.parameters
    fleet = Fleet.objects.filter(organization=run.job.organization, slug=parameters["fleet"]).first()
    if fleet is None:
        raise Refused("It was deleted meanwhile, so nothing was changed.")
    try:
        fleet_settings.change_fleet(
            fleet=fleet, actor=run.actor, seen=parameters["seen"], tell=run.progress, **parameters["settings"]
        )
    except ChangedMeanwhile as error:
        raise Refused(f"The settings of {fleet} were changed meanwhile, so nothing was changed.") from error
    return f"The settings of {fleet} are saved. Its devices and those in the queue froze or thawed."
