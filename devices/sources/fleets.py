"""The fleets of a source, as fleets of this site: created, changed, and deleted once they are empty."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, count
from typing import Any, Final

from django.db import transaction
from django.utils.text import slugify

from devices.clock import Moment
from devices.models import MirroredFleet, Source
from devices.operations.fleet_settings import change_fleet
from devices.sources import facts
from devices.sources.answers import Application
from fleets.access import locks
from fleets.models import Fleet
from fleets.services import fleets as services

SLUG_LENGTH: Final = 90  # leaves room for a number at its end


def by(source: Source) -> str:
    """The actor of what a sweep does, for the audit log."""
    return f"the source {source.name}"


@transaction.atomic
def write(source: Source, applications: Collection[Application], at: Moment) -> dict[int, Fleet]:
    """Create and change the fleets that mirror these applications; returns them by the ids there."""
    locks.hold([source.organization_id])
    mirrored = {row.remote_id: row for row in source.fleets.select_related("fleet__organization")}
    for application in applications:
        row, settings = mirrored.get(application.id), _settings(source, application)
        if row is None:
            mirrored[application.id] = _create(source, application, settings, at)
        else:
            change_fleet(fleet=row.fleet, actor=None, at=at, by=by(source), **settings)
            source.fleets.filter(pk=row.pk).exclude(slug=application.slug).update(slug=application.slug)
    return {application.id: mirrored[application.id].fleet for application in applications}


@transaction.atomic
def drop_gone(source: Source, applications: Collection[int], at: Moment) -> int:
    """Delete the fleets of applications that are not there any longer; returns how many.

    One that has devices of this site is kept, as a fleet of this site.
    """
    gone = source.fleets.exclude(remote_id__in=applications).select_related("fleet__organization")
    dropped = 0
    for row in gone:
        fleet = row.fleet
        row.delete()
        if not fleet.devices.exists():
            services.delete(fleet=fleet, actor=None, at=at.at, by=by(source))
        dropped += 1
    return dropped


def _settings(source: Source, application: Application) -> dict[str, Any]:
    variables, types = application.application_config_variable, application.is_for__device_type
    return {
        "name": facts.fleet_name(application),
        "device_type": facts.text(types[0].slug)[:100] if types else "",
        "poll_interval": facts.interval(variables, source.poll_interval) or source.poll_interval,
        "vpn_enabled": facts.switch(variables) is not False,
    }


def _create(source: Source, application: Application, settings: dict[str, Any], at: Moment) -> MirroredFleet:
    for slug in _slugs(application.slug):
        try:
            fleet = services.create(
                organization=source.organization,
                actor=None,
                slug=slug,
                at=at.at,
                by=by(source),
                **settings,
            )
        except services.SlugTaken:
            continue
        break
    return MirroredFleet.objects.create(
        fleet=fleet, source=source, remote_id=application.id, slug=application.slug
    )


def _slugs(slug: str) -> Iterator[str]:
    """The slug there, if it is free on this site, else with a number at its end."""
    plain = slugify(slug.replace("/", "-"))[:SLUG_LENGTH].strip("-_") or "fleet"
    taken = set(Fleet.objects.filter(slug__startswith=plain).values_list("slug", flat=True))
    numbered = (f"{plain}-{number}" for number in count(2))
    return (each for each in chain([plain], numbered) if each not in taken)
