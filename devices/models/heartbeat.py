"""The model of a device's API heartbeat: its last poll and its deadlines."""

from __future__ import annotations

from django.db import models
from django.db.models import Case, F, Q, When  # noqa: TID251 - for which deadline an index has
from django.db.models.functions import Greatest

from fleets.models import Organization

OFTEN = 900  # seconds: the poll interval of a site that sets nothing
# Heartbeats of which the passing of a deadline is recorded, and the last such deadline.
LATE_OR_LOST = Q(due_at__isnull=True) | Q(due_at=F("lost_at"))
RECORDED_DEADLINE = Case(When(due_at__isnull=True, then=F("lost_at")), default=F("late_at"))


class Heartbeat(models.Model):
    """The last state poll of a device and the deadlines that follow from it. Exists from the first poll on.

    A row of its own, narrow, because a device that keeps polling writes nothing else.
    """

    device = models.OneToOneField("Device", on_delete=models.CASCADE, primary_key=True, related_name="poll")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    last_poll_at = models.DateTimeField()
    poll_interval = models.PositiveIntegerField()  # seconds, in force at that poll
    late_at = models.DateTimeField()
    lost_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)  # the next deadline not yet recorded; null once lost is
    # The newest report or VPN connect, where it came after a poll; copied by a trigger on Device.
    recorded_other_at = models.DateTimeField(null=True, editable=False)
    recorded_contact_at = models.GeneratedField(
        expression=Greatest("last_poll_at", "recorded_other_at"),
        output_field=models.DateTimeField(),
        db_persist=True,
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="heartbeat_deadlines",
                condition=Q(late_at__gt=F("last_poll_at"), lost_at__gt=F("late_at"))
                & (Q(due_at__isnull=True) | Q(due_at=F("late_at")) | Q(due_at=F("lost_at"))),
            ),
        ]
        indexes = [
            # settle and every reading: deadlines that passed unrecorded.
            models.Index(
                fields=["due_at"],
                name="heartbeat_due",
                condition=Q(due_at__isnull=False),
            ),
            # Lists by last contact of the devices that poll, and which of them are silent for a while.
            models.Index(
                fields=["organization", "-recorded_contact_at", "-device"],
                name="heartbeat_contact",
                condition=Q(due_at__isnull=False),
            ),
            # Which of those that poll seldom are overdue; a device that polls often is not in it.
            models.Index(
                fields=["due_at"],
                name="heartbeat_seldom",
                condition=Q(poll_interval__gt=OFTEN, due_at__isnull=False),
            ),
            # Readings at a clock before what is recorded; a polling device is not in it.
            models.Index(RECORDED_DEADLINE, name="heartbeat_recorded", condition=LATE_OR_LOST),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} polled at {self.last_poll_at}"
