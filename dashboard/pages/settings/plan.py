"""The pages of an organization's plan: shown to members, changed by Owners after a preview."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.allowance import allowance_of, frozen_for
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.settings.organization_forms import PlanForm
from dashboard.pages.settings.plan_wording import differences, done
from devices import clock
from devices.background import plan_change
from devices.freezing import plan_version
from devices.freezing.forecast import forecast
from devices.models import Job
from devices.words import of_site
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.services import organizations


@require_safe
@signed_in
def shown(request: HttpRequest, organization: str) -> HttpResponse:
    """The plan, the allowance and which devices freeze or thaw next; to Owners also the form to change it."""
    own = _planned(own_organization(request, organization))
    return render(request, "settings/plan.html", _context(own, PlanForm(initial=_now(own))))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, organization: str) -> HttpResponse:
    """Preview what a plan would freeze or thaw, and set it by POST; 409 if it was changed meanwhile."""
    own, refused = _planned(own_organization(request, organization, Role.OWNER)), False
    form = PlanForm(request.POST or request.GET or _now(own))
    if not form.is_valid():
        return render(request, "settings/plan.html", _context(own, form))
    if request.method == "POST":
        seen = request.POST.get("seen", "")
        try:
            made = plan_change.change_plan(
                organization=own.organization, actor=person(request), seen=seen, **form.plan_wanted
            )
        except ChangedMeanwhile:
            own, refused = own_organization(request, organization, Role.OWNER), True
        else:
            return _made(request, own, made)
    context = own.context(
        "plan",
        form=form,
        refused=refused,
        seen=plan_version(own.organization),
        changes=differences(own.organization, form.plan_wanted),
        at_once=plan_change.AT_ONCE,
        forecast=forecast(own.organization, **form.plan_wanted),
    )
    return render(request, "settings/plan_change.html", context, status=409 if refused else 200)


@require_POST
@signed_in
def switch(request: HttpRequest, organization: str) -> HttpResponse:
    """Turn everything about the plan on or off for all members, for Owners."""
    own, shown = own_organization(request, organization, Role.OWNER), bool(request.POST.get("shown"))
    try:
        organizations.show_plan(organization=own.organization, shown=shown, actor=person(request))
    except organizations.PlanInUse:
        messages.error(request, IN_USE)
    else:
        messages.success(request, f"Plan and allowance are {'on' if shown else 'off'}.")
    return redirect("fleets:organization", organization)


IN_USE: Final = of_site(
    "Nothing was changed: plan and allowance are turned off once the plan is Free, the allowance is empty, no"
    " invoices are open and no {fleet} has the paid type."
)


def _planned(own: OwnOrganization) -> OwnOrganization:
    """The organization itself; raises Http404 if it uses no plan."""
    if not own.organization.has_plan:
        raise Http404("No plan in use")
    return own


def _made(request: HttpRequest, own: OwnOrganization, made: int | Job) -> HttpResponse:
    """Redirect to the plan, or to the job that changes it."""
    if isinstance(made, Job):
        return redirect("devices:job", made.uuid)
    messages.success(request, done(own.organization, made))
    return redirect("fleets:plan", own.organization.slug)


def _context(own: OwnOrganization, form: PlanForm) -> dict[str, Any]:
    allowance = allowance_of(own.organization, clock.moment())
    current = {"allowance": allowance, "reasons": frozen_for(own.organization)}
    return own.context("plan", form=form, **current)


def _now(own: OwnOrganization) -> dict[str, Any]:
    return {name: getattr(own.organization, name) for name in ("plan", "allowance", "unpaid")}
