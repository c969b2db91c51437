"""When nothing is told: maintenance windows, mutes, quiet hours of a person; and what a person follows."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from devices.models.alert_rules import AlertRule
from devices.models.device import Device
from devices.models.incidents import Incident
from devices.models.saved import SavedView
from fleets.models import Organization


class MaintenanceWindow(models.Model):
    """A time, or times that recur, in which devices are worked on. Facts and statuses do not change by it."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="windows", db_index=False
    )
    title = models.CharField(max_length=60)
    scope = models.JSONField(default=dict)  # a KeptFilters (devices/listing/kept_list.py); {}: all devices
    # Wall time: each occurrence is placed by the rules that its zone has on that day.
    starts = models.CharField(max_length=19)  # 2026-11-29T22:00:00
    ends = models.CharField(max_length=19)  # of the first occurrence, at most 30 days later
    zone = models.CharField(max_length=64)
    recurrence = models.CharField(max_length=200, blank=True)  # an RRULE over wall time; empty: once
    note = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # the occurrence that lasted then ended early
    cancelled_at = models.DateTimeField(null=True)  # it comes no more

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            # The windows of an organization, newest first.
            models.Index(fields=["organization", "-created_at", "-id"], name="window_by_time"),
        ]

    def __str__(self) -> str:
        return self.title


class Mute(models.Model):
    """That a device, a saved view, a rule or an incident is not told of: to a person, or to anybody."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="mutes", db_index=False
    )
    person = models.ForeignKey(  # null: for all
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    device = models.ForeignKey(Device, on_delete=models.CASCADE, null=True, related_name="+")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, null=True, related_name="+")
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, null=True, related_name="+")
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, null=True, related_name="mutes")
    until = models.DateTimeField()
    note = models.TextField(blank=True)
    by_name = models.CharField(max_length=255)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["until", "pk"]
        constraints = [
            models.CheckConstraint(
                name="mute_of_one",
                condition=(
                    Q(device__isnull=False, view=None, rule=None, incident=None)
                    | Q(device=None, view__isnull=False, rule=None, incident=None)
                    | Q(device=None, view=None, rule__isnull=False, incident=None)
                    | Q(device=None, view=None, rule=None, incident__isnull=False)
                ),
            ),
        ]
        indexes = [
            # The mutes of an organization that last.
            models.Index(fields=["organization", "until", "id"], name="mute_by_end"),
        ]

    def __str__(self) -> str:
        return f"muted until {self.until}"


class QuietHours(models.Model):
    """When a person wants no message but on the page, weekly, in their own zone."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="quiet_hours"
    )
    zone = models.CharField(max_length=64)
    weekly = models.JSONField(
        default=list
    )  # [[0, 1320, 1440], ...]: a day (Monday is 0), minutes of wall time
    critical_passes = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"quiet hours of {self.person_id}"


class Follow(models.Model):
    """That a person wants e-mail of a rule, of a severity or more, or of a saved view; or does not."""

    class Digest(models.TextChoices):
        """When: each message at once, or all of a day in one mail."""

        NONE = "none", "As it happens"
        DAILY = "daily", "Once a day"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="follows", db_index=False
    )
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, null=True, related_name="follows")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, null=True, related_name="+")
    severity = models.CharField(max_length=8, blank=True)  # this or a higher one
    email = models.BooleanField(default=True)
    digest = models.CharField(max_length=5, choices=Digest, default=Digest.NONE)
    digest_hour = models.PositiveSmallIntegerField(default=8)  # of the person's clocks, 0 to 23

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "organization", "rule", "view", "severity"],
                nulls_distinct=False,
                name="follow_once",
            ),
            models.CheckConstraint(name="follow_digest_hour", condition=Q(digest_hour__lt=24)),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} follows {self.rule_id or self.view_id or self.severity}"
