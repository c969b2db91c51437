"""Jobs of tests: made, done, handed over and seen from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection

from devices import jobs
from devices.jobs.runner import Run, run
from devices.models import Job
from fleets.models import Organization
from tests.factories import T0, make_organization


def make_job(organization: Organization | None = None, **facts: object) -> Job:
    given: dict[str, Any] = {
        "kind": Job.Kind.PREREGISTER,
        "title": "Make two",
        "actor": None,
        "parameters": {},
        "at": T0,
    }
    return jobs.start(organization=organization or make_organization(), **given | facts)


def do(job: Job, doing: Callable[[Run], str], **options: Callable[[], bool]) -> Job:
    run(job.uuid, kinds={job.kind: doing}, **options)
    return Job.objects.get(pk=job.pk)


def handed_over() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT args ->> 'job', lock FROM procrastinate_jobs ORDER BY id")
        return [job for job, _ in cursor.fetchall()]
