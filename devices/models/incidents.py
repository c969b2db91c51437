"""What is told as one: incidents of an organization, and the devices that rules hold in them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleets.models import Organization


class Incident(models.Model):
    """Devices with one cause, lost at one moment; or one device alone. Facts open and resolve it."""

    class State(models.TextChoices):
        """How far it is; to be acknowledged or held changes none of it."""

        GATHERING = "gathering", "Gathering"
        FIRING = "firing", "Firing"
        RESOLVED = "resolved", "Resolved"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="incidents", db_index=False
    )
    # What its devices share (devices/listing/grouping.py), and when they lost what.
    kind = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=600, blank=True)
    what = models.CharField(max_length=10)
    first = models.DateTimeField()
    last = models.DateTimeField()
    severity = models.CharField(max_length=8)  # the highest of the rules with a firing member
    state = models.CharField(max_length=9, choices=State)
    opened_at = models.DateTimeField()  # when its first member was due
    tell_at = models.DateTimeField()  # end of gathering
    resolved_at = models.DateTimeField(null=True)
    apart_at = models.DateTimeField(null=True)  # when it resolves though some are left; null: not yet
    look_at = models.DateTimeField(null=True)  # when telling looks at it again (devices/alerts/telling.py)
    now = models.PositiveIntegerField(default=0)  # devices that are firing or recovering
    at_most = models.PositiveIntegerField(default=0)
    ever = models.PositiveIntegerField(default=0)
    rank = models.PositiveSmallIntegerField()  # of the worst status now (devices.rules.vocabulary)
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="merged")
    parted_from = models.ForeignKey(  # it holds a device that was left of that one
        "self", on_delete=models.SET_NULL, null=True, related_name="parted"
    )
    missed = models.BooleanField(default=False)  # began and ended while alerting was away
    # The overlay of a person who takes it on.
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    acknowledged_by_name = models.CharField(max_length=255, blank=True)
    acknowledged_until = models.DateTimeField(null=True)  # null: until it resolves
    acknowledged_note = models.TextField(blank=True)
    acknowledged_members = models.PositiveIntegerField(default=0)
    acknowledged_rank = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="incident_resolved",
                condition=Q(state="resolved", resolved_at__isnull=False)
                | (~Q(state="resolved") & Q(resolved_at__isnull=True)),
            ),
        ]
        indexes = [
            # The Incidents page, newest first; and those that are open.
            models.Index(fields=["organization", "-opened_at", "-id"], name="incident_by_time"),
            models.Index(
                fields=["organization", "-opened_at", "-id"],
                name="incident_open",
                condition=~Q(state="resolved"),
            ),
            # What telling looks at again.
            models.Index(fields=["look_at"], name="incident_look", condition=Q(look_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.now} of {self.kind} {self.key}"


class IncidentMember(models.Model):
    """A device that a rule holds, or held. Names are copied: it outlives the device."""

    class State(models.TextChoices):
        """`pending` waits for its due time; `recovering` for the end of the hold."""

        PENDING = "pending", "Pending"
        FIRING = "firing", "Firing"
        RECOVERING = "recovering", "Recovering"
        GONE = "gone", "Gone"

    class Reason(models.TextChoices):
        """Why it is gone."""

        RECOVERED = "recovered", "Recovered"
        DEACTIVATED = "deactivated", "Deactivated"
        FROZEN = "frozen", "Frozen"
        DELETED = "deleted", "Deleted"
        MOVED = "moved", "Moved out"
        CHANGED = "changed", "The rule or its devices changed"
        APART = "apart", "Goes on as an incident of its own"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    rule = models.ForeignKey(
        "AlertRule", on_delete=models.SET_NULL, null=True, related_name="members", db_index=False
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, null=True, related_name="members", db_index=False
    )
    device_id = models.BigIntegerField()
    device_uuid = models.TextField()
    device_name = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State)
    since = models.DateTimeField()  # since when the condition is true
    due_at = models.DateTimeField()  # when it fires, or fired
    recovered_at = models.DateTimeField(null=True)  # since when the condition is false again
    gone_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=11, choices=Reason, blank=True)
    next_at = models.DateTimeField(null=True)  # when the clock alone changes its state; null: never
    flaps = models.PositiveIntegerField(default=0)
    unstable = models.BooleanField(default=False)
    # What it has lost, and what it may share with others, as of its due time (devices.listing.grouping.Lost).
    status = models.CharField(max_length=17)
    rank = models.PositiveSmallIntegerField()
    what = models.CharField(max_length=10)
    moment = models.DateTimeField()
    fleet_id = models.BigIntegerField()
    address = models.GenericIPAddressField(null=True)
    server_id = models.BigIntegerField(null=True)
    release = models.CharField(max_length=255, blank=True)
    tags = models.JSONField(default=dict)

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "device_id"], name="incident_member_once", condition=~Q(state="gone")
            ),
        ]
        indexes = [
            # The page of an incident.
            models.Index(fields=["incident", "state", "id"], name="incident_member_of"),
            # What the clock is about to change.
            models.Index(fields=["next_at"], name="incident_member_next", condition=Q(next_at__isnull=False)),
            # Those whose link changes often: each round.
            models.Index(fields=["device_id"], name="incident_member_unstable", condition=Q(unstable=True)),
            # Those that wait for an incident, or are in one, of a device: Device Summary, a round.
            models.Index(fields=["device_id", "-since"], name="incident_member_device"),
        ]

    def __str__(self) -> str:
        return f"{self.device_name or self.device_uuid[:7]}: {self.state}"
