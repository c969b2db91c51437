"""The models of a source: an openBalena or balenaCloud beside this site, and what is mirrored from it.

Lookout reads its API, and devices keep talking to it alone.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from devices.models.device import Device
from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN, Fleet, Organization
from fleets.postgres.name_order import NameKey

SWEPT_EVERY: Final = timedelta(seconds=60)
SILENT: Final = 3 * SWEPT_EVERY  # a source that was not read for longer is silent


class Source(models.Model):
    """Where fleets and devices of an organization are read from, with what is known of the reading.

    A sweep reads all devices, and its facts are written once all pages have been read. A whole sweep also
    reads the fleets, tags and versions; a quick one reads what links and progress need.
    """

    class Kind(models.TextChoices):
        BALENA = "balena", "openBalena or balenaCloud"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="sources", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.BALENA)
    name = models.CharField(max_length=60)
    address = models.CharField(max_length=255)  # of its API: scheme, host and port, without a path
    token = models.TextField(editable=False)  # encrypted (devices/sources/secrets.py)
    token_end = models.CharField(max_length=4, blank=True, editable=False)
    # The slugs there of the fleets to read, or none for all that the token may see.
    only_fleets = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    # In seconds: how often devices poll there, which that server does not tell.
    poll_interval = models.PositiveIntegerField(
        default=600, validators=[MinValueValidator(POLL_INTERVAL_MIN), MaxValueValidator(POLL_INTERVAL_MAX)]
    )
    # Calls with this Host are relayed to `relay_to`, an address as above; empty: it has no relay.
    relay_host = models.CharField(max_length=255, blank=True, default="")
    relay_to = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField()

    # Written by sweeps.
    swept_at = models.DateTimeField(null=True, editable=False)  # the last sweep that was written
    whole_at = models.DateTimeField(null=True, editable=False)  # the last whole one
    tried_at = models.DateTimeField(null=True, editable=False)  # when the last attempt ended
    pause = models.PositiveIntegerField(default=0, editable=False)  # seconds from then to the next attempt
    failures = models.PositiveIntegerField(default=0, editable=False)  # in a row
    error = models.TextField(blank=True, default="", editable=False)  # of the last attempt; empty: it worked
    # What the server was found to have, by name of the resource: fields that a $select may name.
    known_fields = models.JSONField(default=dict, editable=False)
    # UUIDs there that belong to devices of this site, which are left alone.
    refused_uuids = ArrayField(models.CharField(max_length=62), default=list, editable=False)

    # Written by the relay.
    relay_seen_at = models.DateTimeField(null=True, editable=False)  # a call of it, as of half a minute
    # Facts that could not be written, and when the last of them was lost.
    relay_lost = models.BigIntegerField(default=0, db_default=0, editable=False)
    relay_lost_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            # It finds those of an organization, too.
            models.UniqueConstraint(fields=["organization", "name"], name="source_name"),
            # It finds the source that a call is relayed to.
            models.UniqueConstraint(
                fields=["relay_host"], name="source_relay_host", condition=~Q(relay_host="")
            ),
            models.CheckConstraint(name="source_kind", condition=Q(kind="balena")),
            models.CheckConstraint(
                name="source_relay",
                condition=Q(relay_host="", relay_to="") | (~Q(relay_host="") & ~Q(relay_to="")),
            ),
            models.CheckConstraint(
                name="source_poll_interval",
                condition=Q(poll_interval__range=(POLL_INTERVAL_MIN, POLL_INTERVAL_MAX)),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """The host of its API, by which pages tell it."""
        return urlsplit(self.address).netloc

    def is_silent(self, at: datetime) -> bool:
        """Whether it was read before, and not for a while: an outage of this source that lasts at `at`."""
        return self.swept_at is not None and at - self.swept_at > SILENT


class MirroredFleet(models.Model):
    """That a fleet mirrors a fleet (an application) of a source; it is deleted with the fleet."""

    fleet = models.OneToOneField(Fleet, on_delete=models.CASCADE, primary_key=True, related_name="mirrored")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="fleets", db_index=False)
    remote_id = models.BigIntegerField()  # of the application there
    slug = models.CharField(max_length=255)  # there

    class Meta:
        constraints = [
            # Sweeps and registrations through the relay find a fleet by it.
            models.UniqueConstraint(fields=["source", "remote_id"], name="mirrored_fleet_once"),
        ]

    def __str__(self) -> str:
        return self.slug


class MirroredDevice(models.Model):
    """That a device is read from a source, with what the source alone says of it; deleted with the device."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="mirrored")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="devices", db_index=False)
    remote_id = models.BigIntegerField()  # of the device there
    status = models.CharField(max_length=50, blank=True, default="")  # its overall_status there
    # Its note and its tags as they were read last: those of this site stay where these do not change.
    note = models.TextField(blank=True, default="", db_default="")
    tags = models.JSONField(default=dict, db_default={})
    # When the API refused its key in a relayed call; null: never, or it was accepted since.
    refused_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            # Sweeps read the devices of a source by it, in the order in which they read them there.
            models.UniqueConstraint(fields=["source", "remote_id"], name="mirrored_device_once"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} of source {self.source_id}"


class SourceOutage(models.Model):
    """A time in which a source was not read: from its last sweep before it to the first one after it.

    It is written when it is over. Until then it follows from `swept_at`.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="outages", db_index=False)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [
            # It finds the outages of a source, too.
            models.UniqueConstraint(fields=["source", "began_at"], name="source_outage_once"),
            models.CheckConstraint(name="source_outage_lasted", condition=Q(ended_at__gt=F("began_at"))),
        ]

    def __str__(self) -> str:
        return f"not read from {self.began_at} to {self.ended_at}"
