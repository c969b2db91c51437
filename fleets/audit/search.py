"""Reading the audit log of one organization by filters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from fleets.audit.actions import Action, Kind
from fleets.models import AuditEntry, Organization, audit_text
from fleets.postgres.text_search import WordVector, beginnings, words_of

if TYPE_CHECKING:
    from django.db.models import QuerySet


@dataclass(frozen=True)
class Filters:
    """The filters of a request; those that are empty filter nothing. Times are `since` <= time < `until`."""

    who: str = ""  # the actor's whole name, in any case
    action: Action | None = None
    kind: Kind | None = None
    subject: str = ""  # id as in addresses: a UUID, a slug, a name
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""  # words, or beginnings of words
    job: UUID | None = None  # the job that the action was a part of

    @property
    def jobs_as_one(self) -> bool:
        """Whether a job is shown as one line: no filter is set that could match a single device of it."""
        return not (self.action or self.kind or self.subject or self.text or self.job)

    @property
    def any(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def wordless(self) -> bool:
        """Whether a text is searched that has no word in it, so that nothing matches."""
        return bool(self.text) and not words_of(self.text)


def entries(
    organization: Organization, filters: Filters, *, jobs_as_one: bool = False
) -> QuerySet[AuditEntry]:
    """The lines of this organization that match the filters; each filter has an index (fleets/models.py).

    `jobs_as_one` leaves out the single devices of a job, so that each job is one line.
    """
    lookups = {
        "actor_name__iexact": filters.who,
        "action": filters.action,
        "subject_kind": filters.kind,
        "subject_id": filters.subject,
        "at__gte": filters.since,
        "at__lt": filters.until,
        "job": filters.job,
        "job__isnull": jobs_as_one,
    }
    lines = AuditEntry.objects.filter(
        organization_id=organization.pk, **{name: value for name, value in lookups.items() if value}
    )
    if filters.wordless:
        return lines.none()
    if filters.text:
        lines = lines.alias(words=WordVector(audit_text()))
    for word in words_of(filters.text):
        lines = lines.filter(Q(words=beginnings(word)))
    return lines
