"""What an alert rule would have told over the past days: shown at once, or by a job where that takes long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import own_organization
from devices import clock
from devices.alerts import rehearsal
from devices.background import rule_rehearsal
from devices.models import AlertRule, Job
from fleets.models import Role

OVER: Final = ("7", "30")  # days, as in the address


@dataclass(frozen=True)
class Rehearsal:
    """What the page of a rule says of it. `impossible`: why there is none; `days` None: nothing was asked.

    `words`: what it would have told, as of `at`; `long`: a job is needed; `job`: the newest one, if any.
    """

    impossible: str = ""
    note: str = ""
    days: int | None = None
    words: str = ""
    at: datetime | None = None
    long: bool = False
    job: Job | None = None


def rehearsal_of(request: HttpRequest, rule: AlertRule) -> Rehearsal:
    """What the address of the page of a saved rule asks for by `?over=`."""
    impossible, note, over = rehearsal.impossible(rule), rehearsal.note(rule), request.GET.get("over", "")
    if impossible or over not in OVER:
        return Rehearsal(impossible, note)
    days, until = int(over), clock.moment().concluded
    since = until - timedelta(days=days)
    if rehearsal.is_short(rule, since, until):
        found = rehearsal.rehearse(rule, since, until)
        return Rehearsal("", note, days, found.words if found else "", until)
    job = rule_rehearsal.newest(rule, days)
    done = job if job and job.state == Job.State.DONE else None
    words, at = (done.words, done.finished_at) if done else ("", None)
    return Rehearsal("", note, days, words, at, long=True, job=job)


@require_POST
@signed_in
def start(request: HttpRequest, organization: str, rule: UUID) -> HttpResponse:
    """Start the job, and lead to its page, which says how far it is."""
    own = own_organization(request, organization, Role.OPERATOR)
    rules = AlertRule.objects.select_related("organization").filter(organization=own.organization)
    found, days = get_object_or_404(rules, uuid=rule), request.POST.get("days", "")
    job = rule_rehearsal.start(rule=found, days=int(days if days in OVER else OVER[0]), actor=person(request))
    return redirect("devices:job", job.uuid)
