"""The audit log: who did what, when, from which address, with the values before and after (product.md).

Service functions write it in the transaction of the change. Members read the lines of their organizations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fleets.audit.actions import Action, Kind
from fleets.models import AuditEntry, Organization
from fleets.postgres.bulk_insert import insert_copies

if TYPE_CHECKING:
    from fleets.actor import Actor

CONSOLE = "the console"
# The network address of the current request; set for pages and for the calls of devices.
_address: ContextVar[str | None] = ContextVar("address", default=None)
# The job that is being run, of which the recorded actions are a part.
_job: ContextVar[UUID | None] = ContextVar("job", default=None)


@contextmanager
def coming_from(address: str | None, job: UUID | None = None) -> Iterator[None]:
    """Record in this block with this network address (None: the console), and as parts of this job if any."""
    address_before, job_before = _address.set(address), _job.set(job)
    try:
        yield
    finally:
        _address.reset(address_before)
        _job.reset(job_before)


def address() -> str | None:
    """The network address of the current request; None for the console."""
    return _address.get()


# A line about one subject: its id as in addresses, its name, its values before and after the action.
Line = tuple[str, str, Mapping[str, Any] | None, Mapping[str, Any] | None]


def record(
    action: str,
    *,
    actor: Actor | None,
    organization: Organization | None,
    subject: tuple[str, str, str],
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: str = CONSOLE,
) -> None:
    """Write one line, within the caller's transaction.

    `subject` is (kind, id as in addresses, name). Raises ValueError if the action or the kind is not in
    fleets/audit/actions.py. `before` and `after` have the values that changed, never a secret. `by` names
    the actor if it is no person: a key or the console.
    """
    kind, *named = subject
    line: Line = (named[0], named[1], before, after)
    _entry(action, actor, organization, kind, line, at, by).save(force_insert=True)


def record_all(
    action: str,
    *,
    actor: Actor | None,
    organization: Organization | None,
    kind: str,
    lines: Sequence[Line],
    at: datetime,
    by: str = CONSOLE,
    addresses: Sequence[str | None] | None = None,
) -> None:
    """Write a line for each of many subjects of one kind, in one statement, in the caller's transaction.

    `by` names the actor if it is no person: a key or the console. `addresses` has the network address that
    each line's call came from; None: all came from that of the current request. Raises ValueError if the
    action or the kind is not in fleets/audit/actions.py.
    """
    if not lines:
        return
    ids, names, before, after = zip(*lines, strict=True)
    insert_copies(
        _entry(action, actor, organization, kind, lines[0], at, by),
        subject_id=[pk[:100] for pk in ids],
        subject_name=[name[:255] for name in names],
        before=before,
        after=after,
        address=addresses or [address()] * len(lines),
    )


def _entry(
    action: str,
    actor: Actor | None,
    organization: Organization | None,
    kind: str,
    line: Line,
    at: datetime,
    by: str,
) -> AuditEntry:
    subject, name, before, after = line
    return AuditEntry(
        at=at,
        organization_id=organization.pk if organization else None,
        organization_name=organization.name if organization else "",
        actor_id=actor.pk if actor else None,
        actor_name=(actor.get_username() if actor else by)[:255],
        address=_address.get(),
        action=Action(action),
        subject_kind=Kind(kind),
        subject_id=subject[:100],
        subject_name=name[:255],
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
        job=_job.get(),
    )
