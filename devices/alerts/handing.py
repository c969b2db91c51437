"""Handing messages over: to the page at once, to every other target by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from devices.alerts import told
from devices.alerts.attempts import GIVE_UP
from devices.alerts.reposting import EACH
from devices.models import AlertMessage, AlertTarget
from fleets.postgres.listener import CHANNEL

TASK: Final = "alerts.deliver"  # what procrastinate knows it by
QUEUE: Final = "deliveries"


def hand_over(messages: Sequence[AlertMessage], at: datetime) -> None:
    """Have these new messages delivered, once the transaction commits; those to the page are there then."""
    page = [message for message in messages if message.target.kind == AlertTarget.Kind.PAGE]
    AlertMessage.objects.filter(pk__in=[message.pk for message in page]).update(
        outcome=AlertMessage.Outcome.ACCEPTED, accepted_at=at, next_at=None, attempts=1
    )
    told.record(page, at)
    _ring({message.organization_id for message in page})
    wake({message.target_id for message in messages} - {message.target_id for message in page})


def _ring(organizations: Iterable[int]) -> None:
    """Let the open pages of these organizations hear of it, as of a change of a status, on commit."""
    with connection.cursor() as cursor:
        for organization in sorted(organizations):
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(organization)])


def wake(targets: Iterable[int], at: datetime | None = None) -> None:
    """Have a worker look at what is to be sent to these targets, at that time; None: at once.

    A target waits at most once in the queue for now and once for later, so that what is new need not wait for
    another attempt of what is old.
    """
    for target in sorted(targets):
        lock = f"target-{target}" if at is None else f"target-{target}-later"
        task = app.configure_task(TASK, queue=QUEUE, queueing_lock=lock, schedule_at=at)
        try:
            with transaction.atomic():
                task.defer(target=target)
        except AlreadyEnqueued:  # it will find these too
            if at is not None:
                _bring_forward(lock, at)


def _bring_forward(lock: str, at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(EARLIER, [at, lock])


def hand_over_lost(at: datetime) -> list[int]:
    """Wake the targets that have something to be sent and are not in the queue, as where a worker died.

    Returns their primary keys.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOST, {"at": at, "old": at - GIVE_UP, "task": TASK})
        targets = [target for (target,) in cursor.fetchall()]
        cursor.execute(LOST_REPOSTS, {"at": at, "old": at - 2 * EACH, "task": TASK})
        targets += [target for (target,) in cursor.fetchall()]
    wake(targets)
    return targets


EARLIER: Final = """
UPDATE procrastinate_jobs SET scheduled_at = least(scheduled_at, %s)
WHERE queueing_lock = %s AND status = 'todo'
"""
# A target that takes no messages has something to do only once they are too old.
LOST: Final = """
SELECT DISTINCT message.target_id
FROM devices_alertmessage message JOIN devices_alerttarget target ON target.id = message.target_id
WHERE message.outcome = '' AND message.next_at <= %(at)s
AND (message.created_at <= %(old)s OR (target.enabled AND target.state <> 'paused'))
AND (target.leased_until IS NULL OR target.leased_until <= %(at)s)
AND NOT EXISTS (
    SELECT FROM procrastinate_jobs job
    WHERE job.task_name = %(task)s AND (job.args ->> 'target')::bigint = message.target_id
    AND (job.status = 'doing' OR (job.status = 'todo' AND coalesce(job.scheduled_at <= %(at)s, true)))
)
"""
# An Alertmanager that has not been posted for too long what fires.
LOST_REPOSTS: Final = """
SELECT target.id FROM devices_alerttarget target
WHERE target.kind = 'alertmanager' AND target.enabled AND target.state <> 'paused'
AND target.accepted_at <= %(old)s
AND (target.leased_until IS NULL OR target.leased_until <= %(at)s)
AND EXISTS (
    SELECT FROM devices_told told JOIN devices_incident incident ON incident.id = told.incident_id
    WHERE told.target_id = target.id AND told.state <> 'resolved' AND incident.state <> 'resolved'
)
AND NOT EXISTS (
    SELECT FROM procrastinate_jobs job
    WHERE job.task_name = %(task)s AND (job.args ->> 'target')::bigint = target.id
    AND job.status IN ('doing', 'todo')
)
"""
