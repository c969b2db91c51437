"""Selections of tests, and the actions done on them."""

from __future__ import annotations

from typing import Any

from dashboard.models import User
from devices.jobs.runner import run
from devices.models import Device, Job, Selection
from devices.operations import bulk_actions
from devices.worker.registry import KINDS
from fleets.models import Organization
from tests.lists import listed


def select(organization: Organization, query: str | None = None) -> Selection:
    """All devices there are, named by this query if any."""
    of = None if query is None else listed(query)
    return bulk_actions.select(organization=organization, devices=Device.objects.all(), listed=of)


def start(selection: Selection, action: str, actor: User, **said: Any) -> Job:
    return bulk_actions.start(selection=selection, action=action, payload=said, title=action, actor=actor)


def do(job: Job) -> Job:
    run(job.uuid, kinds=KINDS)
    return Job.objects.get(pk=job.pk)
