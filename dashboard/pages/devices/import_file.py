"""The pages that create many devices from a file: upload, preview, confirmation, and the file of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.http.concurrency_limits import Bound, release_connection
from dashboard.http.file_response import File, Row, csv_file
from dashboard.http.request_limits import BODY_LIMIT
from dashboard.http.scope import Scope, person, signed_in
from dashboard.pages.devices.import_columns import ask, chosen_in, unpacked
from dashboard.pages.jobs.page import operated
from dashboard.pages.parts.access import lead_to
from dashboard.pages.parts.operated_fleet import operated_fleet
from devices import clock
from devices.background import preregistration
from devices.models import DeviceList, Job
from devices.operations import ceilings, device_file, key_handout
from devices.operations.device_file import DeviceFile, Fault
from fleets.models import Fleet

# A file of 5 MB takes seconds of processor time to read, and as long to create its keys.
FILES: Final = Bound(
    2,
    "The server is busy with other files",
    "It handles only two lists of devices at a time. Nothing was changed. Go back and try again in a minute.",
    again=30,
)
CHOOSE: Final = "Choose a file."
SHOWN_FAULTS: Final = 100
SHOWN_LINES: Final = 10


@dataclass(frozen=True)
class Sent:
    """An uploaded file."""

    name: str
    content: bytes


class UploadForm(forms.Form):
    """The upload of a file, or of a compressed one in fields, with the choices for its unknown columns."""

    sent: Sent | None = None
    file = forms.FileField(
        required=False,
        widget=forms.ClearableFileInput({"class": "form-control", "accept": ".csv,text/csv"}),
        error_messages={"invalid": CHOOSE, "empty": "This file is empty."},
    )
    file_name = forms.CharField(max_length=255, required=False, strip=False)
    content = forms.CharField(required=False, strip=False)

    def clean(self) -> None:
        values = self.cleaned_data
        if file := values.get("file"):
            self.sent = Sent(file.name, file.read())
        elif "file" in self.errors:
            return
        elif not values.get("content"):
            self.add_error("file", CHOOSE)
        elif content := unpacked(values["content"]):
            self.sent = Sent(values.get("file_name") or "devices.csv", content)
        else:
            self.add_error("file", "The file did not arrive whole. Choose it again.")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@FILES.around
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Read a file; if it has no errors, store it and lead to its preview, else show them. Creates no device.

    For unknown columns the page asks what they are; with the choices the file is sent again.
    """
    fleet, scope = operated_fleet(request, slug)
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    faults: Sequence[Fault] = ()
    asked = None
    if form.is_valid() and (sent := form.sent):
        release_connection()
        chosen = chosen_in(request.POST)
        read = device_file.read(sent.content, chosen)
        faults = read.faults or device_file.taken(read.lines)
        if listed := None if faults else _kept(request, fleet, form, sent.name, read):
            return lead_to(scope, "devices:import-preview", slug, str(listed.uuid))
        if asked := ask(sent.name, sent.content, read, chosen):
            faults = [fault for fault in faults if fault.words != device_file.UNKNOWN_COLUMN]
    values = {"form": form, "asked": asked, "faults": faults[:SHOWN_FAULTS], "faulty": len(faults)}
    return render(request, "devices/import.html", _around(fleet, scope) | values)


def _around(fleet: Fleet, scope: Scope) -> dict[str, Any]:
    """The context of the page, whatever was uploaded."""
    return {
        "nav": "fleets",
        "scope": scope,
        "at": clock.now(),
        "fleet": fleet,
        "most": device_file.MOST,
        "lists": ceilings.LISTS,
        "megabytes": BODY_LIMIT // 1024**2,
    }


def _kept(
    request: HttpRequest, fleet: Fleet, form: UploadForm, name: str, read: DeviceFile
) -> DeviceList | None:
    """Store the list of a file without errors; None, and an error in the form, if there are too many."""
    try:
        listed = preregistration.keep(fleet=fleet, lines=read.lines, file_name=name, actor=person(request))
    except ceilings.Reached as reached:
        form.add_error("file", str(reached))
        return None
    if read.remark:
        messages.info(request, read.remark)
    return listed


@require_safe
@signed_in
def template(request: HttpRequest, slug: str) -> File:
    """An empty file with all known columns, to be filled in."""
    fleet, _ = operated_fleet(request, slug)

    async def nothing() -> AsyncIterator[list[Row]]:
        yield []

    return csv_file(f"devices-{fleet.slug}", device_file.COLUMNS, nothing())


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def preview(request: HttpRequest, slug: str, listed: UUID) -> HttpResponse:
    """The preview of a stored file; confirming it starts the job and leads to it."""
    fleet, scope = operated_fleet(request, slug)
    lists = DeviceList.objects.select_related("job", "organization", "fleet")
    found = get_object_or_404(lists, uuid=listed, fleet=fleet)
    if request.method == "POST":
        return redirect("devices:job", preregistration.confirm(listed=found, actor=person(request)).uuid)
    if found.job is not None:
        return redirect("devices:job", found.job.uuid)
    context = {"nav": "fleets", "scope": scope, "at": clock.now(), "fleet": fleet, "listed": found}
    return render(request, "devices/import_preview.html", context | counts(found, fleet))


def counts(listed: DeviceList, fleet: Fleet) -> dict[str, Any]:
    """The context of a preview: the first lines, and how many lines have which values."""
    types = Counter(line["device_type"] or fleet.device_type for line in listed.lines)
    return {
        "lines": listed.lines[:SHOWN_LINES],
        "more": max(0, listed.count - SHOWN_LINES),
        "with_uuid": sum(bool(line["uuid"]) for line in listed.lines),
        "with_name": sum(bool(line["name"]) for line in listed.lines),
        "with_tags": sum(bool(line["tags"]) for line in listed.lines),
        "with_interval": sum(bool(line.get("poll_interval")) for line in listed.lines),
        "types": types.most_common(5),
        "more_types": max(0, len(types) - 5),
    }


@require_POST
@signed_in
@FILES.around
def keys(request: HttpRequest, job: UUID) -> HttpResponseBase:
    """The keys of the devices that this job created, as a file, as often as needed until it is confirmed."""
    _, listed = _listed(request, job)
    try:
        keyed = key_handout.hand_out(listed=listed, actor=person(request))
    except key_handout.NotOffered as error:
        listed.refresh_from_db(fields=["keys_at", "keys_by_name"])
        context = {"listed": listed, "why": str(error)}
        return render(request, "devices/job_keys_gone.html", context, status=409)

    async def batches() -> AsyncIterator[list[Row]]:
        yield [astuple(entry) for entry in keyed]

    name = f"keys-{listed.fleet.slug}-{timezone.localdate(clock.now())}"
    return csv_file(name, key_handout.COLUMNS, batches())


@require_POST
@signed_in
def keys_confirmed(request: HttpRequest, job: UUID) -> HttpResponse:
    """Confirm that the keys were downloaded, so that they are deleted and no longer offered."""
    found, listed = _listed(request, job)
    if key_handout.confirm(listed=listed, actor=person(request)):
        messages.success(request, "The keys are no longer stored and cannot be downloaded.")
    else:
        messages.info(request, "Nothing was changed. The keys were not available for download.")
    return redirect("devices:job", found.uuid)


def _listed(request: HttpRequest, job: UUID) -> tuple[Job, DeviceList]:
    """The job and its list; raises Http404 for strangers, PermissionDenied below Operator."""
    found, _ = operated(request, job)
    lists = DeviceList.objects.select_related("organization", "fleet").defer("lines", "encrypted_keys")
    return found, get_object_or_404(lists, job=found)
