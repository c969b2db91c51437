"""The page of the keys of one device, on which they are rotated and revoked. A new key is shown once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http.scope import person, signed_in
from dashboard.pages.device.target import find_target, gone
from dashboard.pages.parts.access import lead_to
from dashboard.pages.parts.key_rows import KeyRow, listed
from devices import clock, keys
from devices.keys import rotation as key_rotation
from devices.models import ApiKey, Device
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import isolated

OVERLAPS: Final = {
    "": "When I revoke it (the device can use both until then)",
    "24": "After a day",
    "168": "After a week",
    "0": "At once (somebody else may know it)",
}


class RotateForm(forms.Form):
    hours = forms.ChoiceField(
        label="The current key ends",
        required=False,
        choices=list(OVERLAPS.items()),
        widget=forms.Select({"class": "form-control"}),
    )

    @property
    def overlap(self) -> timedelta | None:
        """How long both keys are valid; None: until the older one is revoked."""
        hours = self.cleaned_data["hours"]
        return timedelta(hours=int(hours)) if hours else None


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def rotate(request: HttpRequest, uuid: str) -> HttpResponse:
    """The keys of a device; a POST creates a new one, which only its response shows, and nobody stores.

    The form has the fingerprint of the newest key, so that a reload of the response creates no second key.
    """
    target, new, refused = find_target(request, uuid, Role.OPERATOR), "", ""
    form = RotateForm(request.POST or None)
    if form.is_valid():
        try:
            new, refused = _rotate(request, target.device, form)
        except Device.DoesNotExist:
            return gone(request, target.device)
        form = RotateForm()
    rows = _rows(target.device)
    live = [row for row in rows if row.state == "live"]
    context = target.context(
        form=form,
        newest=key_rotation.newest(target.device),
        rows=rows,
        new=new,
        refused=refused,
        live=live,
        warning=_warning(live),
        full=len(live) >= keys.LIVE_DEVICE_KEYS,
    )
    return render(request, "devices/key.html", context, status=409 if refused else 201 if new else 200)


def _rotate(request: HttpRequest, device: Device, form: RotateForm) -> tuple[str, str]:
    """The new key and "", or "" and the sentence that tells why there is none.

    Raises Device.DoesNotExist if the device was deleted meanwhile.
    """
    seen, actor = request.POST.get("newest", ""), person(request)
    try:
        return key_rotation.rotate(device=device, overlap=form.overlap, seen=seen, actor=actor), ""
    except ChangedMeanwhile:
        return "", AGAIN
    except keys.TooMany:
        return "", "It already has two valid keys."


AGAIN: Final = (
    "The device got a key since this form was opened. A key is shown only when it is created. If you do not"
    " have it, revoke it and create another."
)


@require_POST
@signed_in
def revoke(request: HttpRequest, uuid: str, key: str) -> HttpResponse:
    """Revoke a key of this device; 404 if the device has no such key."""
    target = find_target(request, uuid, Role.OPERATOR)
    found = keys.named(key)
    if found is None or found.device_id != target.device.pk:
        raise Http404("No such key")
    if keys.revoke(found, actor=person(request)):
        messages.success(request, f"The key {key} of {isolated(target.device)} is revoked.")
    else:
        messages.info(
            request, f"The key {key} of {isolated(target.device)} was already revoked. Nothing was changed."
        )
    return lead_to(target.scope, "devices:key", uuid)


def _warning(live: list[KeyRow]) -> str:
    """The sentence that warns what revoking one of the valid keys would do."""
    if len(live) < keys.LIVE_DEVICE_KEYS:
        return "It is the only valid key. Without another one the device cannot report."
    if live[0].last_used_at is None:
        return "The device has not used its newest key yet. Make sure that it has the key that you keep."
    return "The device uses its newest key. It no longer needs the older one."


def _rows(device: Device) -> list[KeyRow]:
    """The device's keys, newest first, named as the newest and the older ones."""
    rows = listed(ApiKey.objects.filter(device=device), clock.now())
    return [replace(row, name="older key" if index else "newest key") for index, row in enumerate(rows)]
