"""The audit log: who did what, when, from where, and what it was before and after (product.md).

Service functions write it in the transaction of what they do. Reading is scoped like everything else.
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
from fleets.postgres.bulk_insert import insert_alike

if TYPE_CHECKING:
    from fleets.actor import Actor

CONSOLE = "the console"
# Where the request at hand comes from; the site sets it for pages and for the calls of devices.
_address: ContextVar[str | None] = ContextVar("address", default=None)
# The job that is being done, where what it does is recorded behind the line of its start.
_job: ContextVar[UUID | None] = ContextVar("job", default=None)


@contextmanager
def coming_from(address: str | None, job: UUID | None = None) -> Iterator[None]:
    """What is recorded inside this block came from this address, and is a part of this job."""
    token, part = _address.set(address), _job.set(job)
    try:
        yield
    finally:
        _address.reset(token)
        _job.reset(part)


def address() -> str | None:
    """Where the request at hand comes from; None: from the console."""
    return _address.get()


# What is recorded of one subject: its id as in addresses, its name, what it was before and after.
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

    `action` and the kind of `subject`, which is (kind, id as in addresses, name), are of the vocabulary:
    ValueError where they are not (add them to fleets/audit/actions.py). `before` and `after` hold what
    changed, never a secret. `by` names who acts where no person does: a key, or the console.
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
) -> None:
    """Write a line for each of many subjects of one kind, in one statement; otherwise as `record`."""
    if not lines:
        return
    ids, names, before, after = zip(*lines, strict=True)
    insert_alike(
        _entry(action, actor, organization, kind, lines[0], at, CONSOLE),
        subject_id=[pk[:100] for pk in ids],
        subject_name=[name[:255] for name in names],
        before=before,
        after=after,
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
