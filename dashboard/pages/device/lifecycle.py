"""The pages on which one device is deactivated, moved or deleted, each after a confirmation."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.http.scope import person, signed_in
from dashboard.pages.device.move_preview import consequences
from dashboard.pages.device.target import Target, find_target, gone
from dashboard.pages.parts.access import lead_to
from devices import keys
from devices.models import Device
from devices.operations import lifecycle
from devices.operations.batch import links_up
from devices.words import of_site
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Fleet, Role
from fleets.text import Words, isolated


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def deactivate(request: HttpRequest, uuid: str) -> HttpResponse:
    """Take the device out of service; answered 409, with the reason, if a link is up at that moment."""
    target, refused = find_target(request, uuid, Role.OPERATOR), False
    if request.method == "POST":
        try:
            done, device = (
                lifecycle.deactivate(device=target.device, actor=person(request)),
                isolated(target.device),
            )
        except lifecycle.StillConnected:
            target, refused = find_target(request, uuid, Role.OPERATOR), True
        except Device.DoesNotExist:
            return gone(request, target.device)
        else:
            did, was = f"{device} is deactivated.", f"{device} was already inactive. Nothing was changed."
            _tell(request, did, was, done=done)
            return lead_to(target.scope, "devices:detail", uuid)
    context = target.context(
        up=links_up(vpn=target.device.vpn, heartbeat=target.device.heartbeat), refused=refused
    )
    return render(request, "devices/deactivate.html", context, status=409 if refused else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def move(request: HttpRequest, uuid: str) -> HttpResponse:
    """Choose a fleet of the organization (`?to=`), see the consequences, and move the device there.

    Answered 409 if the device was moved or the fleet deleted meanwhile.
    """
    target, refused = find_target(request, uuid, Role.OPERATOR), ""
    if request.method == "POST":
        answer = _move(request, target)
        if not isinstance(answer, str):
            return answer
        target, refused = find_target(request, uuid, Role.OPERATOR), answer
    others = Fleet.objects.filter(organization=target.device.organization_id).exclude(
        pk=target.device.fleet_id
    )
    chosen = (request.POST or request.GET).get("to", "")
    to = next((fleet for fleet in others if fleet.slug == chosen), None)
    changes = consequences(target.device, to) if to else ()
    context = target.context(fleets=others, to=to, changes=changes, refused=refused)
    return render(request, "devices/move.html", context, status=409 if refused else 200)


def _move(request: HttpRequest, target: Target) -> HttpResponse | str:
    """Move the device and redirect to it; or the sentence that tells why it was not moved."""
    mine = Fleet.objects.filter(organization=target.device.organization_id)
    fleet = mine.filter(slug=request.POST.get("to", "")).first()
    if fleet is None:
        return of_site(NO_FLEET)
    seen = request.POST.get("from", "")
    try:
        done = lifecycle.move(device=target.device, fleet=fleet, seen=seen, actor=person(request))
    except ChangedMeanwhile as moved:
        return f"It was moved to {moved.now} meanwhile."
    except lifecycle.FleetGone:
        return of_site(NO_FLEET)
    except Device.DoesNotExist:
        return gone(request, target.device)
    device, place = isolated(target.device), isolated(fleet)
    did, was = f"{device} is now in {place}.", f"{device} was already in {place}. Nothing was changed."
    _tell(request, did, was, done=done)
    return lead_to(target.scope, "devices:detail", target.device.uuid)


NO_FLEET: Final = "The {fleet} you chose no longer exists."


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete(request: HttpRequest, uuid: str) -> HttpResponse:
    """Delete the device after its name, or the beginning of its UUID, was typed to confirm it."""
    target = find_target(request, uuid, Role.ADMINISTRATOR)
    form = DeleteForm(target.device, request.POST or None)
    if form.is_valid():
        try:
            lifecycle.delete(device=target.device, actor=person(request))
        except Device.DoesNotExist:
            return gone(request, target.device)
        messages.success(request, f"{isolated(target.device)} is deleted.")
        return lead_to(target.scope, "devices:fleet", target.device.fleet.slug)
    days = keys.FORMER_KEPT.days
    return render(request, "devices/delete.html", target.context(form=form, days=days))


def _tell(request: HttpRequest, did: str, was: str, *, done: bool) -> None:
    """Show a message: `did` if something was changed, `was` if nothing had to be."""
    if done:
        messages.success(request, did)
    else:
        messages.info(request, was)


class DeleteForm(forms.Form):
    """The confirmation of deleting: the device's name, or the beginning of its UUID, must be typed."""

    confirm = Words(
        max_length=255,
        required=False,
        widget=forms.TextInput(
            {
                "class": "form-control",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, device: Device, data: Any) -> None:
        super().__init__(data)
        self._device = device

    def clean_confirm(self) -> str:
        device, texts = self._device, str(self.cleaned_data["confirm"])
        if texts not in {str(device).strip(), device.short_uuid, device.uuid}:
            raise forms.ValidationError(f"Type {device} to delete it. Nothing was deleted.")
        return texts
