"""The pages on which administrators change the settings of a fleet, or delete it."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from dashboard.http.scope import person, signed_in
from dashboard.pages.fleets.forms import FleetForm
from dashboard.pages.fleets.wording import about, meanwhile
from dashboard.pages.parts.interval_form import PLAIN, as_initial
from dashboard.pages.parts.own_organization import administered
from devices import clock
from devices.background.plan_change import change_fleet
from devices.models import ApiKey, Device
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import FleetType
from fleets.services import fleets
from fleets.services.fleets import settings_of, version
from fleets.text import isolated


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Show and save the settings; answered 409, with the differences, if others saved them meanwhile."""
    (fleet, own), at, others = administered(request, slug), clock.now(), None
    values = settings_of(fleet)
    typed = fleet.organization.has_plan or values["type"] == FleetType.PAID
    form = FleetForm(request.POST or None, typed=typed, initial=values | as_initial(values["poll_interval"]))
    if form.is_valid():
        seen = request.POST.get("seen", "")
        try:
            job = change_fleet(fleet=fleet, actor=person(request), seen=seen, **form.settings)
        except ChangedMeanwhile as changed:
            values, others = changed.now, meanwhile(fleet, changed.now, form.settings)
        else:
            if job:
                return redirect("devices:job", job.uuid)
            messages.success(request, f"The settings of {isolated(form.settings['name'])} are saved.")
            return redirect("fleets:fleet-settings", slug)
    context = own.context(
        f"fleet:{slug}",
        at=at,
        fleet=fleet,
        form=form,
        seen=version(values),
        meanwhile=others,
        about=about(fleet.organization, values["poll_interval"]),
    )
    return render(request, "settings/fleet.html", context, status=409 if others else 200)


class DeleteForm(forms.Form):
    confirm = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput({**PLAIN, "autocapitalize": "none", "spellcheck": "false"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete a fleet without devices; its address must be typed to confirm it."""
    fleet, own = administered(request, slug)
    form = DeleteForm(request.POST or None)
    if form.is_valid() and form.cleaned_data["confirm"] != slug:
        form.add_error("confirm", f"Type {slug} to delete it. Nothing was deleted.")
    if form.is_valid():
        try:
            fleets.delete(fleet=fleet, actor=person(request))
        except fleets.HasDevices:
            form.add_error(None, "It has devices, so nothing was deleted.")
        else:
            messages.success(request, f"{isolated(fleet)} was deleted.")
            return redirect("fleets:list")
    context = own.context(
        f"fleet:{slug}",
        at=clock.now(),
        fleet=fleet,
        form=form,
        devices=Device.objects.filter(fleet=fleet).count(),
        keys=ApiKey.objects.filter(fleet=fleet, revoked_at=None).count(),
    )
    return render(request, "settings/fleet_delete.html", context)
