"""Saving, changing and deleting saved views. A shared view belongs to its organization, and is audited."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db import transaction

from devices import clock
from devices.listing import kept_list
from devices.listing.kept_list import KeptList
from devices.listing.query_string import address_of
from devices.models import SavedView
from fleets import audit
from fleets.access import locks, people, roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Organization, Role
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Person

MOST: Final = 100  # views of a person, and of an organization
LONGEST: Final = 4000  # characters of a list's address


class NameTaken(Exception):
    """The person, or the organization, already has a view with this name."""


class TooMany(Exception):
    """The person, or the organization, already has MOST views."""


def version_of(view: SavedView) -> str:
    """A text that is equal as long as the view's name and list are, for `seen`."""
    return version([view.name, view.kept])


@transaction.atomic
def save(
    *,
    actor: Person,
    name: str,
    kept: KeptList,
    organization: Organization | None = None,
    at: datetime | None = None,
) -> SavedView:
    """Save a list under a name, as the person's own view or shared within `organization`.

    Raises PermissionDenied, NameTaken, TooMany.
    """
    if organization:
        locks.hold([organization.pk])
        roles.require(actor, Role.OPERATOR, organization)
    else:
        people.hold(actor)
    whose = {"owner": None if organization else actor, "organization": organization}
    if SavedView.objects.filter(**whose).count() >= MOST:
        raise TooMany
    view = SavedView(name=name, kept=kept_list.stored(kept), **whose)
    _store(view)
    _audit("view-saved", view, actor, at, after=_payload(view))
    return view


@transaction.atomic
def change(
    *,
    view: SavedView,
    actor: Person,
    seen: str,
    name: str | None = None,
    kept: KeptList | None = None,
    at: datetime | None = None,
) -> SavedView:
    """Give a view another name or list (None: unchanged); returns the view as it is then.

    `seen` is the `version_of` the view that the person saw. Raises PermissionDenied, NameTaken,
    ChangedMeanwhile, and SavedView.DoesNotExist where it was deleted.
    """
    now = _held(view, actor)
    known, before = version_of(now), _payload(now)
    now.name = now.name if name is None else name
    now.kept = now.kept if kept is None else kept_list.stored(kept)
    if version_of(now) == known:
        return now
    if seen != known:
        now.refresh_from_db()
        raise ChangedMeanwhile(now, now)
    _store(now)
    after = _payload(now)
    differ = [name for name in after if after[name] != before[name]]
    was, became = ({name: payload[name] for name in differ} for payload in (before, after))
    _audit("view-changed", now, actor, at, before=was, after=became)
    return now


@transaction.atomic
def delete(*, view: SavedView, actor: Person, at: datetime | None = None) -> None:
    """Delete a view. Raises PermissionDenied, and SavedView.DoesNotExist where it was deleted meanwhile."""
    now = _held(view, actor)
    _audit("view-deleted", now, actor, at, before=_payload(now))
    now.delete()


def _held(view: SavedView, actor: Person) -> SavedView:
    """The present view, locked. Raises PermissionDenied, and SavedView.DoesNotExist for another person's."""
    now = SavedView.objects.select_for_update(no_key=True).get(pk=view.pk)
    if now.organization:
        roles.require(actor, Role.OPERATOR, now.organization)
    elif now.owner_id != actor.pk:
        raise SavedView.DoesNotExist
    return now


def _payload(view: SavedView) -> dict[str, str]:
    """The view as the audit log has it: its name, and its list as a query string."""
    try:
        query = address_of(kept_list.read(view.kept))
    except kept_list.Unreadable:
        query = json.dumps(view.kept)
    return {"name": view.name, "query": query}


def _store(view: SavedView) -> None:
    with unique_violation(lambda _: NameTaken()):
        view.save()


def _audit(
    action: str,
    view: SavedView,
    actor: Person,
    at: datetime | None,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    """Write a line into the audit log of the organization; none for a person's own view."""
    if view.organization is None:
        return
    audit.record(
        action,
        actor=actor,
        organization=view.organization,
        subject=("view", str(view.uuid), view.name),
        at=at or clock.now(),
        before=before,
        after=after,
    )
