"""Alert rules of an organization: a list of them, and forms that create, change and delete one."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.parts.scope_form import fleet_names, list_address, readable, unchanging
from dashboard.pages.settings.rehearsals import rehearsal_of
from dashboard.pages.settings.rule_forms import RuleForms
from dashboard.pages.settings.rule_preview import reads
from dashboard.pages.settings.rule_words import rows, timing_of, told_by_email
from devices import clock
from devices.alerts import mutes, rules, scopes
from devices.alerts.hearers import hearers
from devices.alerts.rule_values import Step, Wanted, usual
from devices.listing.query_string import list_in
from devices.models import AlertRule, AlertStep, AlertTarget, Condition, Mute, Severity
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import isolated

GONE: Final = "It was deleted meanwhile, so nothing was saved."


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The organization's alert rules, for Operators."""
    own = own_organization(request, organization, Role.OPERATOR)
    steps = Prefetch("steps", AlertStep.objects.select_related("target"))
    found = list(AlertRule.objects.filter(organization=own.organization).prefetch_related(steps))
    names = fleet_names(own.organization, [readable(rule.scope) for rule in found])
    at = clock.now()
    shown = rows(found, names, _mutes(request, own, at))
    return _rendered(request, own, "alert_rules", rows=shown, most=rules.MOST, at=at)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest, organization: str) -> HttpResponse:
    """Choose a condition; then the form of a rule of that condition, about the devices of the address."""
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    condition = request.POST.get("condition") or request.GET.get("condition", "")
    kept = unchanging(list_in(request.GET, []).filters)
    query = list_address(own.organization, kept)
    if condition not in Condition.values:
        return _rendered(request, own, "alert_rule_new", conditions=Condition.choices, query=query)
    targets = _targets(own)
    told = [target for target in targets if target.kind == AlertTarget.Kind.PAGE]
    steps = [Step(timedelta(), told)]
    wanted = usual("", Condition(condition), Severity.WARNING, scope=kept, steps=steps)
    form = _form(request, own, wanted, targets)
    if form.is_valid() and "preview" not in request.POST:
        write = partial(_create, own=own, request=request)
        if made := form.save(write):
            messages.success(request, f"{isolated(made)} is created.")
            return redirect("fleets:alert-rules", organization)
    return _shown(request, own, form, wanted)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, organization: str, rule: UUID) -> HttpResponse:
    """A rule; Administrators change it, but not over what others saved meanwhile: then 409, with theirs."""
    own, found = _mine(request, organization, rule)
    seen, wanted, theirs = rules.version_of(found), _wanted(found), None
    form = _form(request, own, wanted, _targets(own))
    if form.is_valid() and "preview" not in request.POST:
        sent, user = request.POST.get("seen", ""), person(request)
        try:
            changed = form.save(lambda to: rules.change(rule=found, wanted=to, seen=sent, actor=user))
        except ChangedMeanwhile as refused:
            theirs = refused.now
            seen = rules.version_of(theirs)
        except AlertRule.DoesNotExist:
            messages.error(request, GONE)
            return redirect("fleets:alert-rules", organization)
        else:
            if changed:
                messages.success(request, f"{isolated(changed)} is saved.")
                return redirect("fleets:alert-rules", organization)
    elif request.method == "POST":
        seen = request.POST.get("seen", "")
    return _shown(request, own, form, wanted, rule=found, seen=seen, theirs=theirs)


@require_POST
@signed_in
def delete(request: HttpRequest, organization: str, rule: UUID) -> HttpResponse:
    """Forget a rule; incidents and messages stay."""
    _, found = _mine(request, organization, rule)
    try:
        rules.delete(rule=found, actor=person(request))
    except AlertRule.DoesNotExist:
        messages.info(request, f"{isolated(found)} was already deleted.")
    else:
        messages.success(request, f"{isolated(found)} is deleted.")
    return redirect("fleets:alert-rules", organization)


def _create(wanted: Wanted, *, own: OwnOrganization, request: HttpRequest) -> AlertRule:
    return rules.create(organization=own.organization, wanted=wanted, actor=person(request))


def _mine(request: HttpRequest, organization: str, uuid: UUID) -> tuple[OwnOrganization, AlertRule]:
    least = Role.ADMINISTRATOR if request.method == "POST" else Role.OPERATOR
    own = own_organization(request, organization, least)
    found = AlertRule.objects.select_related("organization").filter(organization=own.organization)
    return own, get_object_or_404(found, uuid=uuid)


def _wanted(rule: AlertRule) -> Wanted:
    """What the rule is now, for the form; about all devices where its scope cannot be read."""
    try:
        return rules.wanted_of(rule)
    except scopes.Broken:
        rule.scope = {}
        return rules.wanted_of(rule)


def _mutes(request: HttpRequest, own: OwnOrganization, at: datetime) -> QuerySet[Mute]:
    """Of rules, those that last: for everybody and the person's own."""
    mine = mutes.seen_by(person(request).pk).filter(organization=own.organization, rule__isnull=False)
    return mine.filter(until__gt=at).select_related("organization")


def _targets(own: OwnOrganization) -> list[AlertTarget]:
    return list(AlertTarget.objects.filter(organization=own.organization, person=None))


def _form(
    request: HttpRequest, own: OwnOrganization, wanted: Wanted, targets: list[AlertTarget]
) -> RuleForms:
    zone = timezone.get_current_timezone_name()
    form = RuleForms(own.organization, targets, wanted, zone, request.POST or None)
    if not own.may.administrator:
        form.freeze()
    return form


def _shown(
    request: HttpRequest, own: OwnOrganization, form: RuleForms, wanted: Wanted, **more: Any
) -> HttpResponse:
    """The form, and what is so of the rule that it shows: how soon it tells, and whether by e-mail."""
    if form.main.is_bound and form.is_valid():
        wanted = form.wanted()
    values = {
        "form": form,
        "condition": wanted.condition,
        "timing": timing_of(wanted, own.organization),
        "by_email": told_by_email(target for step in wanted.steps for target in step.targets),
        "query": list_address(own.organization, wanted.scope),
    }
    if rule := more.get("rule"):
        values["rehearsal"] = rehearsal_of(request, rule)
        values["reads"] = reads(rule, wanted)
        values["hearers"] = hearers([rule], list(rule.steps.select_related("target")))[rule.pk]
        values["at"] = at = clock.now()
        values["mutes"] = list(_mutes(request, own, at).filter(rule=rule))
    status = 409 if more.get("theirs") else 200
    return _rendered(request, own, "alert_rule", status=status, **values | more)


def _rendered(
    request: HttpRequest, own: OwnOrganization, name: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    return render(request, f"settings/{name}.html", own.context("alert-rules", **more), status=status)
