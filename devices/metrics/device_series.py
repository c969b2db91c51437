"""Metrics of single devices, for those that filters name, as the address of a list does."""

from __future__ import annotations

from typing import Final

from django.http import QueryDict
from prometheus_client.core import GaugeMetricFamily

from devices import clock
from devices.clock import Moment
from devices.listing import query_string
from devices.listing.facet_counts import facets
from devices.listing.filters import Filters, matching
from devices.rules.vocabulary import Status, shown
from devices.status.reading import moved_ids
from fleets.models import Organization
from fleets.postgres.snapshot import one_snapshot

MOST: Final = 5_000
ASKED: Final = "devices"  # the parameter that asks for them: ?devices=1
ORGANIZATION: Final = "org"
LABELS: Final = ("organization", "fleet", "device", "name")


class Refused(Exception):
    """A scrape that is refused; its text says why."""


def asked(query: QueryDict) -> bool:
    """Whether this query asks for metrics of single devices."""
    return query.get(ASKED) == "1"


def read(query: QueryDict) -> list[GaugeMetricFamily]:
    """The status and the last contact of each device that the query names, from one snapshot.

    Raises Refused for a filter that is unknown, and for more than MOST devices.
    """
    if unknown := sorted(set(query) - {ASKED, ORGANIZATION, *query_string.NAMES}):
        raise Refused(f"There is no filter named {unknown[0]}.")
    with one_snapshot():
        at = clock.moment()
        organizations = _organizations(query)
        notices: list[str] = []
        filters = query_string.filters_in(query, organizations, notices)
        if notices:
            raise Refused(" ".join(notices))
        _require_few(organizations, filters, at)
        return _read(organizations, filters, at)


def _organizations(query: QueryDict) -> list[Organization]:
    found = Organization.objects.order_by("pk")
    slug = query.get(ORGANIZATION)
    return list(found if slug is None else found.filter(slug=slug))


def _require_few(organizations: list[Organization], filters: Filters, at: Moment) -> None:
    counts = facets(organizations, filters, at, moved_ids(at), always=True) or {}
    statuses = {shown(status) for status in filters.statuses} or set(counts)
    number = sum(counts[status] for status in statuses)
    if number > MOST:
        raise Refused(f"{number} devices match. At most {MOST} have metrics of their own: add filters.")


def _read(organizations: list[Organization], filters: Filters, at: Moment) -> list[GaugeMetricFamily]:
    statuses = GaugeMetricFamily(
        "lookout_device_status", "Always 1; the label has the device's status.", labels=[*LABELS, "status"]
    )
    contacts = GaugeMetricFamily(
        "lookout_device_last_contact_timestamp_seconds",
        "When the device was last in contact.",
        labels=LABELS,
    )
    found = matching(organizations, filters, at).select_related("fleet", "organization").order_by()
    for device in found[: MOST + 1]:
        labels = [device.organization.slug, device.fleet.slug, device.uuid, device.name]
        statuses.add_metric([*labels, Status(device.status).value], 1)
        if device.last_contact:
            contacts.add_metric(labels, device.last_contact.timestamp())
    return [statuses, contacts]
