"""How many devices a fleet has of each status, as recorded: kept by the triggers on Device."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from fleets.models import Fleet, Organization


class FleetCount(models.Model):
    """A part of the number of devices that a fleet has of one status: their sum is the number.

    Each statement that changes statuses appends what it changed, so that no writer waits for another;
    devices/counters.py folds the parts of a fleet and status into one.
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
