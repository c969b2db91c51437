"""Where messages go, what each target was told last, and what it was not told and why."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from devices.models.incidents import Incident
from fleets.models import Organization, Role
from fleets.postgres.name_order import NameKey


class AlertTarget(models.Model):
    """A page, an address or a service that takes messages: an organization's, or a person's own."""

    class Kind(models.TextChoices):
        """What it is."""

        PAGE = "page", "The bell on every page"
        EMAIL = "email", "E-mail"
        ROLE = "role", "Everybody with a role, by e-mail"
        WEBHOOK = "webhook", "Webhook"
        SLACK = "slack", "Slack or compatible"
        TEAMS = "teams", "Microsoft Teams"
        NTFY = "ntfy", "ntfy"
        GOTIFY = "gotify", "Gotify"
        PUSHOVER = "pushover", "Pushover"
        TELEGRAM = "telegram", "Telegram"
        PAGERDUTY = "pagerduty", "PagerDuty"
        ALERTMANAGER = "alertmanager", "Alertmanager"
        APPRISE = "apprise", "Apprise"

    class State(models.TextChoices):
        """What is known of it, since `state_since`."""

        NEW = "new", "Not used yet"
        WORKS = "works", "Works"
        FAILING = "failing", "Failing"
        REFUSED = "refused", "Refused"
        PAUSED = "paused", "Paused"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="alert_targets", db_index=False
    )
    person = models.ForeignKey(  # null: the organization's
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="alert_targets",
    )
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=60)
    role = models.CharField(max_length=13, choices=Role, blank=True)  # of kind `role`: the least role
    configuration = models.JSONField(default=dict)  # nothing of it is secret
    secrets = models.TextField(blank=True)  # JSON, encrypted (fleets/access/encryption.py)
    secret_end = models.CharField(
        max_length=4, blank=True
    )  # the last characters of the newest, to tell it by
    enabled = models.BooleanField(default=True)
    confirmed_at = models.DateTimeField(null=True)  # null: an address that nobody has confirmed yet
    state = models.CharField(max_length=7, choices=State, default=State.NEW)
    state_since = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)  # when it last took a message
    last_error = models.CharField(max_length=300, blank=True)
    refused_in_row = models.PositiveSmallIntegerField(default=0)
    # Its lane: one worker at a time sends to it, until then; the key says which.
    leased_until = models.DateTimeField(null=True)
    attempt_key = models.UUIDField(null=True)

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            models.CheckConstraint(
                name="alert_target_role", condition=Q(role="") | Q(kind="role", role__in=Role.values)
            ),
            models.UniqueConstraint(
                fields=["organization"], name="alert_target_page_once", condition=Q(kind="page")
            ),
        ]
        indexes = [
            # The targets of an organization, by name.
            models.Index("organization", NameKey("name"), name="alert_target_in_order"),
        ]

    def __str__(self) -> str:
        return self.name


class AlertMessage(models.Model):
    """One numbered telling to a target; its text is rendered at sending, from the snapshot."""

    class Kind(models.TextChoices):
        """What it tells."""

        FIRST = "first", "First"
        UPDATE = "update", "Update"
        REMINDER = "reminder", "Reminder"
        STEP = "step", "Escalation"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        RESOLVED = "resolved", "Resolved"
        NOTICE = "notice", "Notice"  # of the site's own, without an incident
        TEST = "test", "Test"

    class Outcome(models.TextChoices):
        """How it ended; empty while it is to be sent."""

        ACCEPTED = "accepted", "Accepted"
        SUPERSEDED = "superseded", "Superseded"
        REFUSED = "refused", "Refused"
        DEAD = "dead", "Not delivered"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, null=True, related_name="messages", db_index=False
    )
    target = models.ForeignKey(AlertTarget, on_delete=models.CASCADE, related_name="messages", db_index=False)
    number = models.PositiveIntegerField()  # of its incident and target: 1, 2, 3 without a gap; 0: a test
    kind = models.CharField(max_length=12, choices=Kind)
    snapshot = models.JSONField()  # what was true as of then
    as_of = models.DateTimeField()
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)  # of the next attempt; null once it ended
    accepted_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)
    error = models.CharField(max_length=500, blank=True)  # what the last attempt met
    # One of those that are sent as one mail a day (devices/alerts/digests.py).
    digest = models.BooleanField(default=False, db_default=False)
    received_by = models.JSONField(default=list)  # people of a role, by primary key, whose mail was accepted
    superseded_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["incident", "target", "number"], name="alert_message_once"),
            models.CheckConstraint(
                name="alert_message_ended",
                condition=Q(outcome="", next_at__isnull=False) | (~Q(outcome="") & Q(next_at__isnull=True)),
            ),
        ]
        indexes = [
            # What is to be sent to a target, oldest first, and which targets have any.
            models.Index(
                fields=["target", "created_at", "id"], name="alert_message_unsent", condition=Q(outcome="")
            ),
            # The page of a target, and the bell: the newest messages.
            models.Index(fields=["target", "-created_at", "-id"], name="alert_message_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Told(models.Model):
    """What a target last accepted of an incident. A message is written when what it should know differs."""

    class State(models.TextChoices):
        """`nothing` has no row."""

        FIRING = "firing", "Firing"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        RESOLVED = "resolved", "Resolved"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="told", db_index=False)
    target = models.ForeignKey(AlertTarget, on_delete=models.CASCADE, related_name="told")
    state = models.CharField(max_length=12, choices=State)
    members = models.PositiveIntegerField()  # then
    rank = models.PositiveSmallIntegerField()  # of the worst status then
    number = models.PositiveIntegerField()  # of the message
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["incident", "target"], name="told_once")]

    def __str__(self) -> str:
        return f"{self.target_id} knows that {self.incident_id} is {self.state}"


class Held(models.Model):
    """Why a target is not told of an incident now. Goes when the reason does."""

    class Reason(models.TextChoices):
        """In the order in which they are asked: the first that applies stands."""

        OUTAGE = "outage", "Lookout was away"
        SOURCE = "source", "Its source is silent"
        MAINTENANCE = "maintenance", "Maintenance"
        MUTE = "mute", "Muted"
        PARENT = "parent", "Part of a larger incident"
        HOURS = "hours", "Outside the rule's hours"
        QUIET = "quiet", "Quiet hours"
        DIGEST = "digest", "Daily e-mail"
        STORM = "storm", "Too many messages at once"
        PAUSED = "paused", "The target is paused"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="held", db_index=False)
    target = models.ForeignKey(AlertTarget, on_delete=models.CASCADE, related_name="held")
    reason = models.CharField(max_length=11, choices=Reason)
    words = models.CharField(max_length=255, blank=True)  # of which window, mute or incident
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)  # null: nobody knows

    class Meta:
        constraints = [models.UniqueConstraint(fields=["incident", "target"], name="held_once")]

    def __str__(self) -> str:
        return f"{self.target_id} is not told of {self.incident_id}: {self.reason}"


class LastRead(models.Model):
    """Up to which message a person has read the bell of an organization."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    message_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(F("person"), F("organization"), name="last_read_once")]

    def __str__(self) -> str:
        return f"{self.person_id} has read up to {self.message_id}"
