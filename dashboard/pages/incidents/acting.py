"""What people do about an incident: take it on, give it back, mute it, end a mute. Each is a POST."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from dashboard.http.scope import person, request_scope, signed_in
from dashboard.pages.incidents.forms import AcknowledgeForm
from dashboard.pages.incidents.one import incident_of, page_of
from dashboard.pages.parts.access import lead_to
from dashboard.pages.parts.mute_form import MuteForm, until
from devices import clock
from devices.alerts import acknowledging, mutes
from devices.alerts.refusals import Invalid
from devices.models import Mute

OVER: Final = "The incident is over already. Nothing was changed."


@require_POST
@signed_in
def acknowledge(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Take it on, for the devices that it has now; 404 to strangers, 403 below Operator."""
    scope, at = request_scope(request), clock.now()
    found, form = incident_of(scope, uuid), AcknowledgeForm(request.POST)
    if form.is_valid():
        said = {"note": form.cleaned_data["note"], "until": until(form.cleaned_data["until"], at)}
        try:
            acknowledging.acknowledge(incident=found, actor=person(request), at=at, **said)
        except Invalid as error:
            _refuse(form, error)
        except acknowledging.Over:
            messages.error(request, OVER)
            return lead_to(scope, "incidents:one", str(uuid))
        else:
            messages.success(request, "You acknowledged the incident. The others see that.")
            return lead_to(scope, "incidents:one", str(uuid))
    return page_of(request, uuid, acknowledging=form)


@require_POST
@signed_in
def withdraw(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Let it be nobody's again; 404 to strangers, 403 below Operator."""
    scope = request_scope(request)
    try:
        acknowledging.withdraw(incident=incident_of(scope, uuid), actor=person(request))
    except acknowledging.Over:
        messages.error(request, OVER)
    else:
        messages.success(request, "The incident is no longer acknowledged.")
    return lead_to(scope, "incidents:one", str(uuid))


@require_POST
@signed_in
def mute(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Tell nobody of it for a while, or only not the person who asks; 404 to strangers."""
    scope, at = request_scope(request), clock.now()
    found = incident_of(scope, uuid)
    form = MuteForm(request.POST, may_for_all=scope.may(found.organization_id).operator)
    if form.save(request, found, found.organization, at):
        messages.success(request, "The incident is muted.")
        return lead_to(scope, "incidents:one", str(uuid))
    return page_of(request, uuid, muting=form)


@require_POST
@signed_in
def unmute(request: HttpRequest, uuid: UUID, mute: UUID) -> HttpResponse:
    """End a mute of it, one's own or one for all; 404 where there is none that the person sees."""
    scope = request_scope(request)
    seen = Mute.objects.filter(Q(person=None) | Q(person=person(request)), incident=incident_of(scope, uuid))
    found = get_object_or_404(seen.select_related("organization", "incident"), uuid=mute)
    mutes.end(mute=found, actor=person(request))
    messages.success(request, "The mute has ended.")
    return lead_to(scope, "incidents:one", str(uuid))


def _refuse(form: forms.Form, error: Invalid) -> None:
    form.add_error(error.field if error.field in form.fields else None, str(error))
