"""The audit log: who did what, when, from where, and what it was before and after (product.md).

Service functions write it in the transaction of what they do. Reading is scoped like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleets.audit_words import Action, Kind
from fleets.models import AuditEntry, Organization

if TYPE_CHECKING:
    from dashboard.models import User

CONSOLE = "the console"
# Where the request at hand comes from; the site sets it for pages and for the calls of devices.
_address: ContextVar[str | None] = ContextVar("address", default=None)


@contextmanager
def coming_from(address: str | None) -> Iterator[None]:
    """What is recorded inside this block came from this address."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


def record(
    action: str,
    *,
    actor: User | None,
    organization: Organization | None,
    subject: tuple[str, str, str],
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: str = CONSOLE,
) -> None:
    """Write one line, within the caller's transaction.

    `action` and the kind of `subject`, which is (kind, id as in addresses, name), are of the vocabulary:
    ValueError where they are not (add them to fleets/audit_words.py). `before` and `after` hold what
    changed, never a secret. `by` names who acts where no person does: a key, or the console.
    """
    AuditEntry.objects.create(
        at=at,
        organization_id=organization.pk if organization else None,
        organization_name=organization.name if organization else "",
        actor_id=actor.pk if actor else None,
        actor_name=(actor.get_username() if actor else by)[:255],
        address=_address.get(),
        action=Action(action),
        subject_kind=Kind(subject[0]),
        subject_id=subject[1][:100],
        subject_name=subject[2][:255],
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
    )
