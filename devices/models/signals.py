"""What alerts are told by: who listens, what has changed since the last round, and how far the teller is."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from fleets.models import Organization


class Listener(models.Model):
    """An organization that has a rule in force: the triggers write signals for these, and for no others."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.organization_id} listens"


class Signal(models.Model):
    """A change that may matter to a rule; appended by triggers, deleted by the round that has looked at it.

    A hint and no more: what is lost is found when a round compares members with devices.
    """

    class Kind(models.TextChoices):
        """What changed. Its `change_id` is the row that tells more, null where there is none."""

        STATUS = "status", "status or fleet"  # a StatusChange
        LINK = "link", "link"  # a ConnectivityRecord
        RULE = "rule", "rule"  # an AlertRule that became another one; of no device

    organization_id = models.BigIntegerField()
    kind = models.CharField(max_length=6)  # Kind
    device_id = models.BigIntegerField()
    change_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()  # of the change

    def __str__(self) -> str:
        return f"{self.kind} of {self.device_id} at {self.at}"


class Teller(models.Model):
    """The one row, which every round locks: so there is one at a time, whoever believes to lead."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    concluded_at = models.DateTimeField(null=True)  # up to where the last round decided; null: there was none
    ended_at = models.DateTimeField(null=True)  # when the last round ended
    compared_at = models.DateTimeField(null=True)  # when members were last compared with devices
    # The end of the newest outage of ours of which site administrators were told, if it was long.
    outage_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="teller_once", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"told up to {self.concluded_at}"
