"""What an organization wants to be told: rules, and whom each of their steps tells."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from devices.models.alert_targets import AlertTarget
from fleets.models import Organization
from fleets.postgres.name_order import NameKey


class Severity(models.TextChoices):
    """How much it matters, the worst first."""

    CRITICAL = "critical", "Critical"
    WARNING = "warning", "Warning"
    INFO = "info", "Info"


class Condition(models.TextChoices):
    """What a rule holds devices for; with its parameters."""

    STATUS = "status", "A device has one of these statuses"
    TOGETHER = "together", "Several devices are lost together"
    STALLED = "stalled", "An update or a configuration has stalled"
    FLAPPING = "flapping", "A link changes often"
    SILENT = "silent", "A device has not been in contact"
    SHARE = "share", "A share of the devices has one of these statuses"
    VITALS = "vitals", "Memory, disk, temperature or power is critical"
    NEVER_CAME = "never-came", "A device was registered and never came"


class AlertRule(models.Model):
    """What is worth telling. All durations are in seconds of observed time."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="alert_rules", db_index=False
    )
    name = models.CharField(max_length=60)
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    scope = models.JSONField(default=dict)  # a KeptFilters (devices/listing/kept_list.py); {}: all devices
    condition = models.CharField(max_length=10, choices=Condition)
    parameters = models.JSONField(default=dict)  # of the condition
    delay = models.PositiveIntegerField()  # until it fires
    hold = models.PositiveIntegerField()  # until what recovered is gone
    gather = models.PositiveIntegerField(default=60)  # from the first member until the first message
    repeat = models.PositiveIntegerField(null=True, blank=True)  # between reminders; null: none
    tell_recovery = models.BooleanField(default=True)
    # Weekly intervals in which it tells: {"zone": "Europe/Berlin", "weekly": [[0, 480, 1080], ...]}, a day
    # (Monday is 0) and minutes of its wall time. Null: always.
    hours = models.JSONField(null=True, blank=True)
    critical_ignores_hours = models.BooleanField(default=True)
    runbook = models.URLField(max_length=500, blank=True)  # https, shown in messages
    # Words of its own for messages (devices/alerts/own_words.py); empty: the usual ones.
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    text = models.TextField(blank=True, default="", db_default="")
    note = models.TextField(blank=True)
    shipped = models.CharField(max_length=20, blank=True)  # which of those that come with the product it is
    broken = models.CharField(
        max_length=255, blank=True
    )  # why it holds no device: what its scope names is gone
    came_back = models.PositiveIntegerField(default=0)  # devices that recovered before they were due

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            # It finds the rules of an organization, too.
            models.UniqueConstraint("organization", Lower("name"), name="alert_rule_name_once"),
            models.UniqueConstraint(
                fields=["organization", "shipped"], name="alert_rule_shipped_once", condition=~Q(shipped="")
            ),
            models.CheckConstraint(name="alert_rule_severity", condition=Q(severity__in=Severity.values)),
            models.CheckConstraint(name="alert_rule_condition", condition=Q(condition__in=Condition.values)),
        ]

    def __str__(self) -> str:
        return self.name


class AlertStep(models.Model):
    """That a rule tells a target so many seconds after an incident fires; usually at once."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="steps", db_index=False)
    target = models.ForeignKey(AlertTarget, on_delete=models.CASCADE, related_name="steps")
    after = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["after", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "target", "after"], name="alert_step_once"),
        ]

    def __str__(self) -> str:
        return f"{self.target} after {self.after} s"
