"""Sources of an organization: added, changed and removed by its Administrators, and audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.models import Device, Source
from devices.operations import batch as batch_actions
from devices.sources import secrets
from devices.sources.addresses import checked
from devices.sources.fleets import by, drop_gone
from devices.sources.ladder import Known
from devices.transitions.write import settle_devices
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Organization, Role
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Actor

MOST: Final = 10  # of an organization
BATCH: Final = 500  # devices that are deleted by one statement


class NameTaken(Exception):
    """The organization has a source of that name."""


class TooMany(Exception):
    """The organization has as many sources as there may be."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a source is to be. An empty token stays as it is; `only_fleets`: slugs there, none for all."""

    name: str
    address: str
    token: str = ""
    only_fleets: Sequence[str] = ()
    poll_interval: int = 600


def version_of(source: Source) -> str:
    """Names what the source is, so that a change can tell whether it was made up from it."""
    return version([_told(source), source.token_end])


@transaction.atomic
def add(
    *,
    organization: Organization,
    wanted: Wanted,
    known: Known,
    actor: Actor | None,
    at: datetime | None = None,
) -> Source:
    """Begin to read a source, whose token `check` has found to be of use; `known` is what it found.

    Raises PermissionDenied below Administrator, NameTaken, TooMany, addresses.NotAllowed.
    """
    at = at or clock.now()
    _hold(organization, actor)
    if Source.objects.filter(organization=organization).count() >= MOST:
        raise TooMany
    source = Source(organization=organization, created_at=at)
    _put(source, wanted, known)
    _audit("source-added", source, actor, at, after=_told(source))
    return source


@transaction.atomic
def change(
    *,
    source: Source,
    wanted: Wanted,
    seen: str,
    known: Known,
    actor: Actor | None,
    at: datetime | None = None,
) -> Source:
    """Read it from elsewhere, with another token, or other fleets, made up from its version `seen`.

    The next sweep is a whole one, at once. Raises PermissionDenied below Administrator, NameTaken,
    addresses.NotAllowed, ChangedMeanwhile, and Source.DoesNotExist where it was removed.
    """
    at, now = at or clock.now(), _held(source, actor)
    if version_of(now) != seen:
        raise ChangedMeanwhile(now.name, now)
    before = _told(now)
    _put(now, wanted, known)
    _audit("source-changed", now, actor, at, before=before, after=_told(now))
    return now


@transaction.atomic
def remove(*, source: Source, actor: Actor | None, at: datetime | None = None) -> int:
    """Read it no longer, and delete its fleets and devices here; nothing changes there.

    Returns how many devices. Raises PermissionDenied below Administrator, and Source.DoesNotExist where it
    was removed.
    """
    moment, now = clock.moment(at), _held(source, actor)
    ids = list(Device.objects.filter(mirrored__source=now).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        settle_devices(some, moment)
        batch_actions.delete(batch_actions.Batch(some, now.organization, None, moment, by=by(now)))
    drop_gone(now, [], moment)
    _audit("source-removed", now, actor, moment.at, before=_told(now) | {"devices": len(ids)})
    now.delete()
    return len(ids)


def _hold(organization: Organization, actor: Actor | None) -> None:
    locks.hold([organization.pk])
    roles.require(actor, Role.ADMINISTRATOR, organization)


def _held(source: Source, actor: Actor | None) -> Source:
    """The source as it is, locked, for who may change it."""
    _hold(source.organization, actor)
    found = Source.objects.select_related("organization").select_for_update(no_key=True, of=("self",))
    return found.get(pk=source.pk)


def _put(source: Source, wanted: Wanted, known: Known) -> None:
    source.name, source.address = wanted.name, checked(wanted.address)
    source.only_fleets, source.poll_interval = list(wanted.only_fleets), wanted.poll_interval
    source.known_fields = known
    source.tried_at = source.whole_at = None
    source.pause, source.failures, source.error = 0, 0, ""
    if wanted.token:
        secrets.write(source, wanted.token)
    with unique_violation(lambda _: NameTaken()):
        source.save()


def _told(source: Source) -> dict[str, Any]:
    """The source as the audit log tells it, without its token."""
    names = ("name", "address", "only_fleets", "poll_interval")
    return {name: getattr(source, name) for name in names}


def _audit(action: str, source: Source, actor: Actor | None, at: datetime, **changes: Any) -> None:
    audit.record(
        action,
        actor=actor,
        organization=source.organization,
        subject=("source", str(source.uuid), source.name),
        at=at,
        **changes,
    )
