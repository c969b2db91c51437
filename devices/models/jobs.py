"""Background jobs: who started one, how far it is, and its result for each device."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleets.models import Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Actor


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs, and which of them a person may see."""

    def visible_to(self, user: Actor) -> JobQuerySet:
        """The jobs of the organizations that `user` belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Job(models.Model):
    """One piece of work for a worker; created in the transaction that needs it done (devices/jobs)."""

    class Kind(models.TextChoices):
        """What is done; devices/worker/registry.py names the function."""

        PREREGISTER = "preregister", "Preregister devices"
        BULK = "bulk", "Change devices"
        PLAN = "plan", "Change the plan"
        FLEET = "fleet", "Change a fleet's type"
        VPN = "vpn", "Follow a fleet's VPN"
        REHEARSAL = "rehearsal", "Rehearse an alert rule"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="jobs", db_index=False
    )
    kind = models.CharField(max_length=20)  # Kind
    title = models.CharField(max_length=255)  # what it does, in words: "Move 38 devices to Kiosks"
    parameters = models.JSONField(default=dict)  # never a secret
    # True: one transaction, all or nothing. False: what is done before the job ends stays done.
    whole = models.BooleanField(default=True)
    # The role that the person who started the job must keep until its end, and that cancelling it needs.
    least_role = models.CharField(max_length=13, choices=Role, default=Role.OPERATOR)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    started_by_name = models.CharField(max_length=255)  # outlives the account; the console has none
    started_from = models.GenericIPAddressField(null=True)  # null: the console
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)  # null: not known yet
    words = models.TextField(blank=True)  # its outcome as a sentence, once it ended
    # How often the job was begun. A run may write only while this equals its own number, so that a run which
    # was taken for dead writes nothing beside its successor.
    attempt = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)  # of the last attempt
    finished_at = models.DateTimeField(null=True)
    cancel_at = models.DateTimeField(null=True)  # when it was asked to stop
    cancelled_by_name = models.CharField(max_length=255, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            # The jobs of an organization, newest first.
            models.Index(fields=["organization", "-created_at", "-id"], name="job_by_time"),
        ]
        constraints = [
            models.CheckConstraint(
                name="job_finished",
                condition=Q(state__in=["waiting", "running"], finished_at__isnull=True)
                | Q(state__in=["done", "failed", "cancelled"], finished_at__isnull=False),
            ),
            models.CheckConstraint(name="job_role", condition=Q(least_role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def ended(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return self.state not in {self.State.WAITING, self.State.RUNNING}

    @property
    def may_stop(self) -> bool:
        """Whether the job may be cancelled.

        A job of kind VPN may not: devices that do not follow their fleet would have the wrong status.
        """
        return not self.ended and self.kind != self.Kind.VPN


class JobResult(models.Model):
    """The outcome of a job for one device. UUID and name are copies, since it outlives the device."""

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="results", db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    device_id = models.BigIntegerField()
    device_uuid = models.TextField()
    device_name = models.CharField(max_length=255)
    outcome = models.CharField(max_length=7, choices=Outcome)
    why = models.CharField(max_length=255, blank=True)  # why it was skipped or failed

    class Meta:
        ordering = ["pk"]
        constraints = [
            # A job that continues after its worker died handles each device once.
            models.UniqueConstraint(fields=["job", "device_id"], name="job_result_once"),
        ]
        indexes = [
            # The results of a job by outcome, in the order in which they were written.
            models.Index(fields=["job", "outcome", "id"], name="job_result_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.device_name or self.short_uuid}: {self.outcome}"

    @property
    def short_uuid(self) -> str:
        """The first seven digits of the device's UUID."""
        return self.device_uuid[:7]
