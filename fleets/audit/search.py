"""Reading the audit log: of one organization, filtered, newest first."""

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
    """What is asked for; empty: everything. `until` is not in it any more."""

    who: str = ""
    action: Action | None = None
    kind: Kind | None = None
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    job: UUID | None = None  # behind whose line they are

    @property
    def jobs_as_one(self) -> bool:
        """Whether a job is one line: where nothing is asked for that may be about one of its devices."""
        return not (self.action or self.kind or self.subject or self.text or self.job)

    @property
    def any(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def wordless(self) -> bool:
        """Whether a text is asked for that has no word, which nothing matches."""
        return bool(self.text) and not words_of(self.text)


def entries(
    organization: Organization, filters: Filters, *, jobs_as_one: bool = False
) -> QuerySet[AuditEntry]:
    """The lines of this organization that match; each filter has an index (fleets/models.py).

    `jobs_as_one`: without those behind the line of a job.
    """
    wanted = {
        "actor_name__iexact": filters.who,
        "action": filters.action,
        "subject_kind": filters.kind,
        "subject_id": filters.subject,
        "at__gte": filters.since,
        "at__lt": filters.until,
        "job": filters.job,
        "job__isnull": jobs_as_one,
    }
    found = AuditEntry.objects.filter(
        organization_id=organization.pk, **{name: value for name, value in wanted.items() if value}
    )
    if filters.wordless:
        return found.none()
    if filters.text:
        found = found.alias(words=WordVector(audit_text()))
    for word in words_of(filters.text):
        found = found.filter(Q(words=beginnings(word)))
    return found
