"""Editing a device's name, notes, tags or poll interval, on its Device Summary or a page of its own."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods

from dashboard.http.scope import person, signed_in
from dashboard.live.region import wants_fragment
from dashboard.pages.device.edit_forms import FORMS, initial
from dashboard.pages.device.target import Target, find_target, gone
from dashboard.pages.parts.access import lead_to
from dashboard.pages.parts.device_row import tag_words, tags
from dashboard.pages.parts.poll_interval import in_words, inherited, interval, interval_of
from devices.models import Device
from devices.operations import editing
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import POLL_INTERVAL_MAX, AuditEntry, Role

WORDS: Final = {"name": "Name", "notes": "Notes", "tags": "Tags", "poll_interval": "Poll interval"}
OURS: Final = ("notes", "tags")  # also of a device that is read from a source


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def edit(request: HttpRequest, uuid: str, field: str) -> HttpResponse:
    """The form of one field, and saving it; answered 409, with both values, if others saved it meanwhile.

    To htmx it answers with a fragment that replaces the field on the Device Summary: the form, or the saved
    value.
    """
    target, meanwhile = find_target(request, uuid, Role.OPERATOR, own=field not in OURS), None
    now: Any = getattr(target.device, field)
    form = FORMS[field](request.POST if request.method == "POST" else None, initial=initial(field, now))
    if form.is_valid():
        seen = request.POST.get("seen", "")
        values = {"field": field, "value": form.value, "seen": seen, "actor": person(request)}
        try:
            editing.edit(device=target.device, **values)
        except ChangedMeanwhile as changed:
            now, meanwhile = changed.now, _meanwhile(target.device, field, changed.now)
        except Device.DoesNotExist:
            return gone(request, target.device)
        else:
            return _saved(request, uuid, field, target)
    context = {"field": field, "words": WORDS[field], "form": form, "seen": version(now)}
    context |= {"meanwhile": meanwhile, "inherited": inherited(target.device.fleet)}
    context |= target.context(longest=interval(POLL_INTERVAL_MAX))
    template = "devices/fact_edited.html" if wants_fragment(request) else "devices/edit.html"
    response = render(request, template, context, status=409 if meanwhile else 200)
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
    return response


def _saved(request: HttpRequest, uuid: str, field: str, target: Target) -> HttpResponse:
    """The response after saving: to htmx the field with its value, else a redirect to the Device Summary."""
    if not wants_fragment(request):
        messages.success(request, f"{WORDS[field]} saved.")
        return lead_to(target.scope, "devices:detail", uuid)
    fresh = find_target(request, uuid, Role.OPERATOR, own=False)
    device = fresh.device
    facts = {
        "tags": tags(device),
        "interval": interval_of(device),
        "may": fresh.scope.may(device.organization_id),
    }
    return render(request, "devices/fact.html", fresh.context(field=field, saved=True, **facts))


def _meanwhile(device: Device, field: str, now: Any) -> dict[str, Any]:
    """The context of a conflict: the present value in words, and the audit entry that saved it, if known."""
    entries = AuditEntry.objects.filter(
        organization_id=device.organization_id,
        action="device-changed",
        subject_kind="device",
        subject_id=device.uuid,
        after__has_key=field,
    )
    entry = entries.first()
    return {
        "entry": entry if entry and (entry.after or {})[field] == now else None,
        "now": _words(field, now),
    }


def _words(field: str, value: Any) -> str:
    if field == "tags":
        return "\n".join(tag_words(value))
    if field == "poll_interval":
        return in_words(value) if value else ""
    return str(value)
