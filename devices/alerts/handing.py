"""Handing messages over: to the page at once, to every other target by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from devices.alerts import told
from devices.models import AlertMessage, AlertTarget

TASK: Final = "alerts.deliver"  # what procrastinate knows it by
QUEUE: Final = "deliveries"


def hand_over(messages: Sequence[AlertMessage], at: datetime) -> None:
    """Have these new messages delivered, once the transaction commits; those to the page are there then."""
    page = [message for message in messages if message.target.kind == AlertTarget.Kind.PAGE]
    AlertMessage.objects.filter(pk__in=[message.pk for message in page]).update(
        outcome=AlertMessage.Outcome.ACCEPTED, accepted_at=at, next_at=None, attempts=1
    )
    told.record(page, at)
    wake({message.target_id for message in messages} - {message.target_id for message in page})


def wake(targets: Iterable[int], at: datetime | None = None) -> None:
    """Have a worker look at what is to be sent to these targets, at that time; None: at once."""
    for target in sorted(targets):
        task = app.configure_task(TASK, queue=QUEUE, queueing_lock=f"target-{target}", schedule_at=at)
        try:
            with transaction.atomic():
                task.defer(target=target)
        except AlreadyEnqueued:  # it will find these too
            continue
