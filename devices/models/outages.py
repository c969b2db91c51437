"""The outage ledger: when the site itself listened (domain.md, Our own outages).

Written by devices/connectivity/outages.py. The columns named `pulse_at` date liveness signs: every 2 s,
and when it is asked to, each process of the ingest records that it listens and that the database takes polls.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F, Q


class Listening(models.Model):
    """The ledger's single row: the newest liveness sign of the ingest, and the outage being closed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    pulse_at = models.DateTimeField()
    # While an outage is being closed: when the ingest came back, when the closing last advanced, and the id
    # of the last device whose deadlines have moved.
    returned_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)
    moved_to = models.BigIntegerField(default=0)
    # While deadlines have yet to move for the newest outage, closed or not: when it ended, and up to which
    # moment all those that come by then have moved (devices/connectivity/moving.py).
    resumed_at = models.DateTimeField(null=True)
    moved_until = models.DateTimeField(null=True)
    # True while what is dated ahead of a clock that was set back is brought to the present, by device id up
    # to `moved_to`.
    ahead = models.BooleanField(default=False, db_default=False)
    # When the database's clock was last set, as the clock has read since, and by how much (negative: back).
    stepped_at = models.DateTimeField(null=True)
    stepped_by = models.DurationField(null=True)
    # The length of all outages that were deleted for being old.
    forgotten = models.DurationField(default=timedelta(), db_default=timedelta())

    class Meta:
        constraints = [models.CheckConstraint(name="listening_once", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"listening at {self.pulse_at}"


class ListeningProcess(models.Model):
    """The newest liveness sign of one ingest process; see devices/connectivity/ingest_processes.py."""

    id = models.PositiveIntegerField(primary_key=True)  # the second key of its advisory lock
    pulse_at = models.DateTimeField()
    name = models.CharField(max_length=255)  # host:pid, for the log

    class Meta:
        verbose_name_plural = "listening processes"

    def __str__(self) -> str:
        return self.name


class Outage(models.Model):
    """An outage that is over: from the last liveness sign before it to the first one after it."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Its index also finds the newest outage, which every reading asks for.
            models.UniqueConstraint(fields=["began_at"], name="outage_once"),
            models.CheckConstraint(name="outage_lasted", condition=Q(ended_at__gt=F("began_at"))),
        ]

    def __str__(self) -> str:
        return f"down from {self.began_at} to {self.ended_at}"
