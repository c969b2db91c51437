"""The pages of background jobs: the recent jobs of an organization, and one job, which can be cancelled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.live.region import Live, live_page
from dashboard.pages.jobs.progress import RECENT, Results, how_far, results, what_came
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from devices import clock, jobs
from devices.models import DeviceList, Job
from devices.operations import key_handout
from fleets.models import Role
from fleets.text import isolated

RESULT: Final = re.compile(r"[0-9]{1,18}")  # the primary key in `?after=` of a page of results


def operated(request: HttpRequest, uuid: UUID) -> tuple[Job, OwnOrganization]:
    """The job and its organization; raises Http404 for strangers, PermissionDenied below Operator."""
    mine = Job.objects.visible_to(request.user).select_related("organization")
    job = get_object_or_404(mine, uuid=uuid)
    return job, own_organization(request, job.organization.slug, Role.OPERATOR)


@dataclass(frozen=True)
class LiveJob(Live):
    """The live region: the progress of a job, its results, and until when its device keys are offered."""

    job: Job
    far: str
    words: str
    results: Results
    listed: DeviceList | None
    offered_until: datetime | None
    may_cancel: bool


@require_safe
@signed_in
def job(request: HttpRequest, job: UUID) -> HttpResponse:
    """The page of one job, which refreshes: its progress, and the result for each device."""
    found, own = operated(request, job)
    after = RESULT.fullmatch(request.GET.get("after", ""))
    at, keyed = clock.moment(), listed_of(found)
    live = LiveJob(
        scope=own.scope,
        job=found,
        far=how_far(found),
        words=what_came(found),
        results=results(found, request.GET.get("outcome", ""), int(after[0]) if after else 0),
        listed=keyed,
        offered_until=key_handout.offered_until(keyed, at.at) if keyed else None,
        may_cancel=found.may_stop and not found.cancel_at and own.role.includes(Role(found.least_role)),
    )
    around = {"nav": "settings", "organization": own.organization}
    return live_page(request, "devices/job.html", live, at=at, **around)


def listed_of(job: Job) -> DeviceList | None:
    """The list whose devices the job has made, and whose keys it therefore hands out."""
    if job.kind != Job.Kind.PREREGISTER or job.state != Job.State.DONE:
        return None
    return DeviceList.objects.defer("lines", "encrypted_keys").filter(job=job).first()


@require_POST
@signed_in
def cancel(request: HttpRequest, job: UUID) -> HttpResponse:
    """Ask it to stop."""
    found, _ = operated(request, job)
    try:
        jobs.cancel(job=found, actor=person(request))
    except jobs.Ended:
        messages.info(request, f"“{isolated(found)}” had already ended. There was nothing to cancel.")
    return redirect("devices:job", found.uuid)


@require_safe
@signed_in
def recent(request: HttpRequest, organization: str) -> HttpResponse:
    """The newest jobs of the organization; for its operators."""
    own = own_organization(request, organization, Role.OPERATOR)
    newest = Job.objects.filter(organization=own.organization)[:RECENT]
    rows = [(job, how_far(job)) for job in newest]
    return render(request, "settings/jobs.html", own.context("jobs", rows=rows))
