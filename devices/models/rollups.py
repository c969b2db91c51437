"""Counts of devices by fleet and recorded status: current counters, kept by triggers, and hourly rollups."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from devices.models.history import outlived
from fleets.models import Fleet, Organization


class FleetCount(models.Model):
    """A summand of the number of devices that a fleet has in one status: the sum of its rows is the number.

    Each statement that changes statuses appends its differences, so that no writer waits for another;
    devices/status/counters.py folds the rows of a fleet and status into one.
    """

    # Without constraints: checking them would lock the fleet's row at every change.
    organization = models.ForeignKey(
        Organization, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    fleet = models.ForeignKey(
        Fleet, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="counts"
    )
    status = models.CharField(max_length=17)
    number = models.BigIntegerField()
    changed_at = models.DateTimeField(null=True)  # of the newest StatusChange that it includes
    folded = models.BooleanField(default=False)  # whether it is a sum of former rows

    class Meta:
        indexes = [
            # The Fleets page: every number of an organization.
            models.Index(fields=["organization", "fleet", "status"], name="count_of_organization"),
            # The numbers of one fleet, and the rows to fold with a new one.
            models.Index(fields=["fleet", "status"], name="count_of_fleet"),
            # The rows to fold.
            models.Index(fields=["id"], name="count_unfolded", condition=Q(folded=False)),
        ]

    def __str__(self) -> str:
        return f"{self.number:+} {self.status} in {self.fleet_id}"


class FleetTally(models.Model):
    """A rollup: how many devices had each status at a full hour; written by devices/history/rollups.py.

    `counts` has nine numbers, in the order of Status. There is a row for each fleet that had devices, and one
    for each organization, their sum, whose fleet is null. Rollups follow from the changes of status and can
    be rebuilt from them at any time.
    """

    organization = outlived(Organization)
    fleet = outlived(Fleet, null=True)
    at = models.DateTimeField()
    counts = ArrayField(models.IntegerField(), size=9)

    class Meta:
        verbose_name = "fleet rollup"
        constraints = [
            # The charts over time, of a fleet and of organizations.
            models.UniqueConstraint(
                fields=["fleet", "at"], name="tally_of_fleet", condition=Q(fleet__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["organization", "at"], name="tally_of_organization", condition=Q(fleet__isnull=True)
            ),
        ]
        indexes = [
            # The Fleets page as of a moment: the nearest hour, and its fleets. Also the rows to drop.
            models.Index(fields=["at", "organization"], name="tally_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.fleet_id or self.organization_id} at {self.at}: {self.counts}"
