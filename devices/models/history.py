"""What happened to devices and their links; it outlives them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from devices.models.device import Device
from devices.schema.triggers import signalled
from fleets.models import Fleet, Organization
from fleets.postgres.triggers import tell


def outlived(
    model: type[models.Model], *, null: bool = False
) -> models.ForeignKey[models.Model, models.Model]:
    """A foreign key of a history to `model`, whose rows it outlives: an id without a constraint or index."""
    return models.ForeignKey(
        model,
        null=null,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )


class ConnectivityRecord(models.Model):
    """One change of one link. Partitioned by month; written by devices/connectivity."""

    class Link(models.TextChoices):
        VPN = "vpn"
        HEARTBEAT = "heartbeat"

    organization = outlived(Organization)
    fleet = outlived(Fleet)
    device = outlived(Device)
    link = models.CharField(max_length=9, choices=Link)
    before = models.CharField(max_length=12)
    after = models.CharField(max_length=12)
    at = models.DateTimeField()
    reason = models.JSONField(default=dict)

    class Meta:
        # The primary key in the database is (id, at): a partitioned table's must hold its range.
        indexes = [
            # The Device Summary: what happened to this device, newest first.
            models.Index(fields=["device", "-at", "-id"], name="record_of_device"),
        ]
        triggers = [tell(), signalled("link")]  # a link may change without the status

    def __str__(self) -> str:
        return f"{self.link} of {self.device_id}: {self.before} to {self.after} at {self.at}"


class StatusChange(models.Model):
    """One change of status or fleet; `before` null: created, `after` null: deleted.

    Partitioned by month; written by the trigger on Device, so that no path can forget it.
    """

    organization = outlived(Organization)
    fleet = outlived(Fleet)
    left_fleet = outlived(Fleet, null=True)  # the one that it moved out of; null: it did not move
    device = outlived(Device)
    before = models.CharField(max_length=17, null=True)  # null: it was created
    after = models.CharField(max_length=17, null=True)  # null: it was deleted
    at = models.DateTimeField()
    reason = models.JSONField(default=dict)

    class Meta:
        # The primary key in the database is (id, at): a partitioned table's must hold its range.
        indexes = [
            # The Device Summary: what happened to this device, newest first.
            models.Index(fields=["device", "-at", "-id"], name="change_of_device"),
            # The Fleets page: the latest changes of an organization, and of each fleet.
            models.Index(fields=["organization", "-at", "-id"], name="change_of_organization"),
            models.Index(fields=["fleet", "-at", "-id"], name="change_of_fleet"),
            # A fleet as of a moment: the devices that left it since, and those of its organization that were
            # deleted since. Both are few.
            models.Index(
                fields=["left_fleet", "at"], name="change_left", condition=Q(left_fleet__isnull=False)
            ),
            models.Index(fields=["organization", "at"], name="change_gone", condition=Q(after__isnull=True)),
        ]
        triggers = [signalled("status")]

    def __str__(self) -> str:
        return f"{self.device_id}: {self.before} to {self.after} at {self.at}"
