"""Device links of an organization: a list of them, and forms that add, change and delete one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from devices.models import DeviceLink
from devices.operations import device_links
from devices.rules import link_template
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import Words, isolated

TAKEN: Final = "A device link with this name already exists. Choose another name."
FULL: Final = f"There are already {device_links.MOST} device links. Delete one first."
GONE: Final = "It was deleted meanwhile, so nothing was saved."
PLAIN: Final = {"class": "form-control", "autocomplete": "off"}
CODE: Final = {**PLAIN, "autocapitalize": "none", "spellcheck": "false"}
EXAMPLE: Final = "ssh root@{ip}"


class LinkForm(forms.Form):
    name = Words(max_length=60, widget=forms.TextInput(PLAIN))
    template = Words(
        label="Address or command",
        max_length=link_template.LONGEST,
        help_text="https://, http:// or ssh:// at the beginning makes it a link. Anything else is a command.",
        widget=forms.TextInput({**CODE, "placeholder": EXAMPLE}),
    )

    def save(self, write: Callable[..., DeviceLink]) -> DeviceLink | None:
        """What `write` makes of the valid values; None where it refuses them, which the form says then."""
        try:
            return write(**self.cleaned_data)
        except ValidationError as refused:
            self.add_error("template", refused)
        except device_links.NameTaken:
            self.add_error("name", TAKEN)
        except device_links.TooMany:
            self.add_error(None, FULL)
        return None


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The organization's device links, and a form that adds one."""
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    form = LinkForm(request.POST or None)
    if form.is_valid():
        user = person(request)
        added = form.save(partial(device_links.add, organization=own.organization, actor=user))
        if added:
            messages.success(request, f"{isolated(added)} is on the page of each device now.")
            return redirect("fleets:device-links", organization)
    links = list(DeviceLink.objects.filter(organization=own.organization))
    return _rendered(request, own, "device_links", links=links, form=form, most=device_links.MOST)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest, organization: str, link: UUID) -> HttpResponse:
    """Change a device link, but not over what others saved meanwhile: then 409, with theirs."""
    own, found = _mine(request, organization, link)
    form = LinkForm(request.POST or None, initial={"name": found.name, "template": found.template})
    theirs = None
    if form.is_valid():
        seen, user = request.POST.get("seen", ""), person(request)
        try:
            changed = form.save(partial(device_links.change, link=found, seen=seen, actor=user))
        except ChangedMeanwhile as refused:
            found = theirs = refused.now
        except DeviceLink.DoesNotExist:
            messages.error(request, GONE)
            return redirect("fleets:device-links", organization)
        else:
            if changed:
                messages.success(request, f"{isolated(changed)} is saved.")
                return redirect("fleets:device-links", organization)
    values = {"link": found, "seen": device_links.version_of(found), "form": form, "theirs": theirs}
    return _rendered(request, own, "device_link", status=409 if theirs else 200, **values)


@require_POST
@signed_in
def delete(request: HttpRequest, organization: str, link: UUID) -> HttpResponse:
    """Forget a device link; the devices are not touched."""
    _, found = _mine(request, organization, link)
    try:
        device_links.delete(link=found, actor=person(request))
    except DeviceLink.DoesNotExist:
        messages.info(request, f"{isolated(found)} was already deleted.")
    else:
        messages.success(request, f"{isolated(found)} is deleted.")
    return redirect("fleets:device-links", organization)


def _mine(request: HttpRequest, organization: str, uuid: UUID) -> tuple[OwnOrganization, DeviceLink]:
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    links = DeviceLink.objects.select_related("organization").filter(organization=own.organization)
    return own, get_object_or_404(links, uuid=uuid)


def _rendered(
    request: HttpRequest, own: OwnOrganization, name: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = own.context("device-links", names=link_template.NAMES, **more)
    return render(request, f"settings/{name}.html", context, status=status)
