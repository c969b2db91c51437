"""The page on which a device is preregistered: created before it is switched on."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.operated_fleet import operated_fleet
from devices import clock
from devices.models import UUID_PATTERN, Device
from devices.operations import lifecycle
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.text import Words, isolated

PLAIN: Final = {"class": "form-control", "autocomplete": "off"}
EXACT: Final = {**PLAIN, "autocapitalize": "none", "spellcheck": "false"}


class PreregisterForm(forms.Form):
    name = Words(
        max_length=255,
        required=False,
        help_text="Shown in lists. If empty, the beginning of the UUID is shown.",
        widget=forms.TextInput(PLAIN),
    )
    device_type = Words(label="Device type", max_length=255, required=False, widget=forms.TextInput(PLAIN))
    uuid = forms.CharField(
        label="UUID",
        max_length=80,
        required=False,
        help_text="32 or 62 hexadecimal characters. Leave empty to generate a UUID.",
        widget=forms.TextInput(EXACT),
    )
    # The UUID to use if none is entered; in the form, so that a reload of the response finds its device.
    made = forms.CharField(max_length=80, required=False, widget=forms.HiddenInput)

    def clean_uuid(self) -> str:
        return _uuid(self.cleaned_data["uuid"])

    @property
    def wanted(self) -> str:
        """The UUID of the new device: the one entered, else the generated one."""
        made = str(self.cleaned_data["made"])
        return self.cleaned_data["uuid"] or (made if re.fullmatch(UUID_PATTERN, made) else _new_uuid())


def _new_uuid() -> str:
    return secrets.token_hex(16)


def _uuid(written: str) -> str:
    """An entered UUID as it is stored; "" if empty. Raises ValidationError if it is none."""
    uuid = written.strip().replace("-", "").lower()
    if uuid and not re.fullmatch(UUID_PATTERN, uuid):
        raise forms.ValidationError("A UUID has 32 or 62 characters (0 to 9 and a to f).")
    return uuid


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def preregister(request: HttpRequest, slug: str) -> HttpResponse:
    """Create a device of this fleet; only the response shows its key, which nobody stores.

    Answered 404 to strangers or if the fleet was deleted meanwhile, 403 below Operator, 409 if the UUID is
    taken.
    """
    at, (fleet, scope) = clock.now(), operated_fleet(request, slug)
    form = PreregisterForm(request.POST or None, initial={"made": _new_uuid()})
    context: dict[str, Any] = {"nav": "fleets", "scope": scope, "at": at, "fleet": fleet, "form": form}
    if not form.is_valid():
        return render(request, "devices/preregister.html", context)
    facts = {name: form.cleaned_data[name] for name in ("name", "device_type")}
    try:
        device, key = lifecycle.preregister(fleet=fleet, actor=person(request), uuid=form.wanted, **facts)
    except lifecycle.UuidTaken:
        return _taken(request, form, context)
    except lifecycle.FleetGone:
        words = {
            "heading": f"{isolated(fleet)} no longer exists",
            "words": "It was deleted. No device was created.",
        }
        return render(request, "refused.html", words, status=404)
    context |= {"device": _read(device), "new": key, "config": config(request, device, key)}
    return render(request, "devices/preregistered.html", context, status=201)


def _taken(request: HttpRequest, form: PreregisterForm, context: dict[str, Any]) -> HttpResponse:
    """The form again, with its values, and the device that has the UUID if the person may see it."""
    device = Device.objects.filter(organization__in=context["scope"].organizations, uuid=form.wanted).first()
    if form.cleaned_data["uuid"]:
        form.add_error("uuid", "Another device on this site already has this UUID. No device was created.")
    else:
        form = PreregisterForm(initial={**form.cleaned_data, "made": _new_uuid()})
    context |= {"form": form, "taken": device}
    return render(request, "devices/preregister.html", context, status=409)


def _read(device: Device) -> DeviceWithStatus:
    return with_status(Device.objects.filter(pk=device.pk)).get()


def config(request: HttpRequest, device: Device, key: str) -> str:
    """The content of config.json for a balena supervisor, which then does not register itself."""
    registered = int(device.created_at.timestamp())
    values = {
        "apiEndpoint": f"{request.scheme}://{request.get_host()}",
        "uuid": device.uuid,
        "deviceId": device.pk,
        "deviceApiKey": key,
        "registered_at": registered,
    }
    return json.dumps(values, indent=2)
