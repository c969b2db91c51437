"""When the site itself listened (domain.md, Our own outages); written by devices/connectivity/outages.py."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class Listening(models.Model):
    """The one row: the newest pulse of the ingest, and how far the outage before the next is dealt with."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    pulse_at = models.DateTimeField()
    # While an outage is being closed: when the ingest came back, when that was last worked on, and up to
    # which device deadlines have moved.
    returned_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)
    moved_to = models.BigIntegerField(default=0)
    # What is dated ahead of a clock that was set back is being brought to the present; also by `moved_to`.
    ahead = models.BooleanField(default=False, db_default=False)
    # When the database's clock was set last, by the clock since then, and by how much: less than 0, back.
    stepped_at = models.DateTimeField(null=True)
    stepped_by = models.DurationField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="listening_once", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"listening at {self.pulse_at}"


class ListeningProcess(models.Model):
    """The newest pulse of one process of the ingest; written by devices/connectivity/ingest_processes.py."""

    id = models.PositiveIntegerField(primary_key=True)  # beside its advisory lock
    pulse_at = models.DateTimeField()
    name = models.CharField(max_length=255)  # host:pid, for the log

    def __str__(self) -> str:
        return self.name


class Outage(models.Model):
    """A time without a pulse that is over, from the last one before it to the first one after it."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["began_at"], name="outage_once"),  # also every reading's index
            models.CheckConstraint(name="outage_lasted", condition=Q(ended_at__gt=F("began_at"))),
        ]

    def __str__(self) -> str:
        return f"down from {self.began_at} to {self.ended_at}"
