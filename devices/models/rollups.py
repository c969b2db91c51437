"""How many devices a fleet has of each status, as recorded: now, by the triggers on Device, and each hour."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from devices.models.history import outlived
from fleets.models import Fleet, Organization


class FleetCount(models.Model):
    """A part of the number of devices that a fleet has of one status: their sum is the number.

    Each statement that changes statuses appends what it changed, so that no writer waits for another;
    devices/status/counters.py folds the parts of a fleet and status into one.
    """

    # By id, without a constraint: to check it would write to the fleet's row at every change.
    organization = models.ForeignKey(
        Organization, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    fleet = models.ForeignKey(
        Fleet, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="counts"
    )
    status = models.CharField(max_length=17)
    number = models.BigIntegerField()
    changed_at = models.DateTimeField(null=True)  # of the newest StatusChange of this fleet that is in it
    folded = models.BooleanField(default=False)

    class Meta:
        indexes = [
            # The Fleets page: every number of an organization.
            models.Index(fields=["organization", "fleet", "status"], name="count_of_organization"),
            # The numbers of one fleet, and what is to be folded with a new part.
            models.Index(fields=["fleet", "status"], name="count_of_fleet"),
            # What is to be folded.
            models.Index(fields=["id"], name="count_unfolded", condition=Q(folded=False)),
        ]

    def __str__(self) -> str:
        return f"{self.number:+} {self.status} in {self.fleet_id}"


class FleetTally(models.Model):
    """How many devices of each status there were at a full hour, in their order; written by
    devices/history/rollups.py.

    One for each fleet that had any, and one for each organization: the sum, without a fleet. Follows from the
    changes of status, and may be made of them anew at any time.
    """

    organization = outlived(Organization)
    fleet = outlived(Fleet, null=True)
    at = models.DateTimeField()
    counts = ArrayField(models.IntegerField(), size=9)

    class Meta:
        constraints = [
            # The pictures over time, of a fleet and of organizations.
            models.UniqueConstraint(
                fields=["fleet", "at"], name="tally_of_fleet", condition=Q(fleet__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["organization", "at"], name="tally_of_organization", condition=Q(fleet__isnull=True)
            ),
        ]
        indexes = [
            # The Fleets page as it was: the nearest hour, and its fleets. Dropping what is too old.
            models.Index(fields=["at", "organization"], name="tally_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.fleet_id or self.organization_id} at {self.at}: {self.counts}"
