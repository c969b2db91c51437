"""Views that are kept: saved, changed, deleted. A shared one is its organization's, and audited."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from devices import clock
from devices.models import SavedView
from devices.operations.editing import version
from fleets import audit
from fleets.access import locks, people, roles
from fleets.models import Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Person

MOST: Final = 100  # of a person, and of an organization
LONGEST: Final = 4000  # characters of a query


class NameTaken(Exception):
    """The person, or the organization, has a view of that name."""


class TooMany(Exception):
    """The person, or the organization, has as many views as there may be."""


class ChangedMeanwhile(Exception):
    """The view is no longer the one that the change was made up from; it is `now`."""

    def __init__(self, now: SavedView) -> None:
        super().__init__(f"{now} was changed meanwhile.")
        self.now = now


def version_of(view: SavedView) -> str:
    """Names what the view is, so that a change can tell whether it was made up from it."""
    return version([view.name, view.query])


@transaction.atomic
def save(
    *,
    actor: Person,
    name: str,
    query: str,
    organization: Organization | None = None,
    at: datetime | None = None,
) -> SavedView:
    """Keep a query under a name, as the person's own or shared within `organization`.

    Raises PermissionDenied, NameTaken, TooMany.
    """
    if organization:
        locks.hold([organization.pk])
        roles.require(actor, Role.OPERATOR, organization)
    else:
        people.hold(actor)
    of = {"owner": None if organization else actor, "organization": organization}
    if SavedView.objects.filter(**of).count() >= MOST:
        raise TooMany
    view = SavedView(name=name, query=query, **of)
    _store(view)
    _audit("view-saved", view, actor, at, after={"name": name, "query": query})
    return view


@transaction.atomic
def change(
    *, view: SavedView, actor: Person, seen: str, at: datetime | None = None, **said: str
) -> SavedView:
    """Give it another `name` or `query`, made up from its version `seen`.

    Raises PermissionDenied, NameTaken, ChangedMeanwhile, and SavedView.DoesNotExist where it was deleted.
    """
    now = _held(view, actor)
    before = {name: getattr(now, name) for name in said}
    if before == said:
        return now
    if seen != version_of(now):
        raise ChangedMeanwhile(now)
    for name, value in said.items():
        setattr(now, name, value)
    _store(now)
    _audit("view-changed", now, actor, at, before=before, after=said)
    return now


@transaction.atomic
def delete(*, view: SavedView, actor: Person, at: datetime | None = None) -> None:
    """Forget it. Raises PermissionDenied, and SavedView.DoesNotExist where it was deleted meanwhile."""
    now = _held(view, actor)
    _audit("view-deleted", now, actor, at, before={"name": now.name, "query": now.query})
    now.delete()


def _held(view: SavedView, actor: Person) -> SavedView:
    """The view as it is, for who may change it."""
    now = SavedView.objects.select_for_update(no_key=True).get(pk=view.pk)
    if now.organization:
        roles.require(actor, Role.OPERATOR, now.organization)
    elif now.owner_id != actor.pk:
        raise SavedView.DoesNotExist
    return now


def _store(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise NameTaken from error


def _audit(
    action: str,
    view: SavedView,
    actor: Person,
    at: datetime | None,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    """Of what is the person's own, nobody else is told."""
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
