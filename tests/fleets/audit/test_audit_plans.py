"""Every filter of the audit log is answered by its index, however long the log is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from fleets.audit.actions import Action, Kind
from fleets.audit.search import Filters, entries
from fleets.models import Organization
from tests.factories import T0, make_organization

pytestmark = pytest.mark.django_db
ENTRIES = 20_000  # the plans are the same at 200,000, which take a minute to make
DAY = timedelta(days=1)

FILL = """
INSERT INTO fleets_auditentry (at, organization_id, organization_name, actor_name, action, subject_kind,
                               subject_id, subject_name)
SELECT %(at)s + n * interval '1 minute', %(first)s + n %% 5, '', 'person-' || n %% 97,
       CASE WHEN n %% 211 = 0 THEN 'fleet-changed' ELSE 'device-moved' END,
       CASE WHEN n %% 211 = 0 THEN 'fleet' ELSE 'device' END, 'subject-' || n %% 499, 'kiosk-' || n
FROM generate_series(1, %(entries)s) AS n
"""


@pytest.fixture
def organization() -> Organization:
    """One of five with a long log."""
    made = [make_organization() for _ in range(5)]
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"at": T0, "first": made[0].pk, "entries": ENTRIES})
        cursor.execute("ANALYZE fleets_auditentry")
    return made[0]


def plan(organization: Organization, *, jobs_as_one: bool = False, **filters: Any) -> str:
    """How PostgreSQL finds the first page."""
    return str(entries(organization, Filters(**filters), jobs_as_one=jobs_as_one)[:51].explain())


JOB = UUID(int=7)
JOBS = """
INSERT INTO fleets_auditentry (at, organization_id, organization_name, actor_name, action, subject_kind,
                               subject_id, subject_name, job)
SELECT at + interval '1 second', organization_id, '', actor_name, 'device-moved', 'device', subject_id, '',
       ('00000000-0000-0000-0000-' || lpad((id %% 9)::text, 12, '0'))::uuid
FROM fleets_auditentry
"""


def test_a_log_without_what_is_behind_jobs_and_what_is_behind_one_have_their_indexes(
    organization: Organization,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(JOBS.replace("%%", "%"))
        cursor.execute("ANALYZE fleets_auditentry")
    for filters in ({}, {"since": T0 + DAY}):
        said = plan(organization, jobs_as_one=True, **filters)
        assert "audit_apart_by_time" in said
        assert "Sort" not in said
    assert "audit_by_job" in plan(organization, job=JOB)
    assert "audit_by_actor" in plan(organization, who="person-7", jobs_as_one=True)


def test_each_filter_has_its_index(organization: Organization) -> None:
    indexes: dict[str, list[dict[str, Any]]] = {
        "audit_by_time": [{}, {"since": T0 + DAY}, {"until": T0 + DAY}, {"since": T0, "until": T0 + DAY}],
        "audit_by_actor": [{"who": "Person-7"}, {"who": "person-7", "since": T0 + DAY}],
        "audit_by_action": [{"action": Action("fleet-changed")}],
        "audit_by_subject": [{"kind": Kind("device"), "subject": "subject-7"}],
        "audit_by_word": [{"text": "kiosk-2777"}],
    }
    for index, asked in indexes.items():
        for filters in asked:
            said = plan(organization, **filters)
            assert index in said, (filters, said)
            assert "Seq Scan" not in said

    for filters in indexes["audit_by_time"]:
        assert "Sort" not in plan(organization, **filters)  # the newest are found without looking at all
