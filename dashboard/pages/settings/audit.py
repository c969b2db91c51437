"""The page of an organization's audit log, for its administrators, and its exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Final

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.http.file_response import File, Row, csv_file, json_file, limited_downloads
from dashboard.http.scope import signed_in
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.settings.audit_lines import action_words, lines
from dashboard.pages.settings.audit_query import AuditQuery, parse, shown_filters
from devices import clock
from fleets.audit.actions import Action, Kind
from fleets.audit.search import entries
from fleets.models import AuditEntry, Membership, Role
from fleets.postgres.keyset import Key, Order, Page, page
from fleets.postgres.name_order import NameKey

# Newest first.
ORDER: Final[Order] = (Key("at", datetime, descending=True), Key("id", int, descending=True))
PAGE: Final = 50  # entries on a page
BATCH: Final = 1000  # entries of a file in memory


@require_safe
@signed_in
def log(request: HttpRequest, organization: str) -> HttpResponse:
    """The entries that match the query, newest first; 404 to strangers, 403 below Administrator."""
    own, audit_query = _own_and_query(request, organization)
    filters = audit_query.filters
    found = _page(request, entries(own.organization, filters, jobs_as_one=filters.jobs_as_one), audit_query)
    members = Membership.objects.filter(organization=own.organization).order_by(NameKey("user__username"))
    previous, after = beside(request, found)
    context = own.context(
        "audit",
        lines=lines(found.rows),
        audit_query=audit_query,
        actions=[(action.value, action_words(action.value)) for action in Action],
        kinds=Kind,
        people=members.values_list("user__username", flat=True),
        tokens=shown_filters(request, audit_query),
        clear=request.path,
        query=address(request).removeprefix(request.path),
        previous=previous,
        next=after,
    )
    return render(request, "settings/audit.html", context)


@require_safe
@signed_in
@limited_downloads
def csv(request: HttpRequest, organization: str) -> File:
    """The filtered log as CSV, with every single device of a job."""
    own, audit_query = _own_and_query(request, organization)
    batches = _batches(entries(own.organization, audit_query.filters))
    return csv_file(_name(own), COLUMNS, batches)


@require_safe
@signed_in
@limited_downloads
def json(request: HttpRequest, organization: str) -> File:
    """The filtered log as JSON, with every single device of a job."""
    own, audit_query = _own_and_query(request, organization)
    return json_file(_name(own), COLUMNS, _batches(entries(own.organization, audit_query.filters)))


def _own_and_query(request: HttpRequest, organization: str) -> tuple[OwnOrganization, AuditQuery]:
    return own_organization(request, organization, Role.ADMINISTRATOR), parse(request)


def _name(own: OwnOrganization) -> str:
    return f"audit-{own.organization.slug}-{timezone.localdate(clock.now())}"


def _page(request: HttpRequest, found: QuerySet[AuditEntry], audit_query: AuditQuery) -> Page[AuditEntry]:
    read = partial(page, found, ORDER, PAGE)
    return requested_page(request, audit_query.notices, read, unreadable=UNREADABLE, past=PAST)


UNREADABLE: Final = "The address names an unknown place in this log, so the log starts at the newest entry."
PAST: Final = "There is nothing after that place in the log. This is its last page."


async def _batches(found: QuerySet[AuditEntry]) -> AsyncIterator[list[Row]]:
    """All rows in batches, each read by its own query, so that no long transaction is open."""
    after: str | None = ""
    while after is not None:
        read = partial(page, found, ORDER, BATCH, after=after)
        got: Page[AuditEntry] = await sync_to_async(read)()
        yield [_row(entry) for entry in got.rows]
        after = got.next


COLUMNS: Final = (
    *("time", "who", "address", "action", "words", "subject_kind", "subject", "subject_name"),
    *("before", "after", "job"),
)


def _row(entry: AuditEntry) -> Row:
    return (
        entry.at.isoformat(),
        entry.actor_name,
        entry.address,
        entry.action,
        action_words(entry.action),
        entry.subject_kind,
        entry.subject_id,
        entry.subject_name,
        entry.before,
        entry.after,
        str(entry.job) if entry.job else None,
    )
