"""Which devices an action over many of them is about, as its person saw them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

from devices.models.jobs import Job
from fleets.models import Organization

if TYPE_CHECKING:
    from fleets.actor import Actor


class SelectionQuerySet(models.QuerySet["Selection"]):
    def visible_to(self, user: Actor) -> SelectionQuerySet:
        """The selections in the organizations this person belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Selection(models.Model):
    """Devices of one organization, fixed at a moment: those ticked, or all that a filter named then."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    # The list whose filter a device must still match when its turn comes (read by devices.listing.kept_list);
    # null: ticked by hand.
    kept = models.JSONField(null=True)
    total = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    # What was begun with it: a selection is for one action.
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)

    objects = SelectionQuerySet.as_manager()

    class Meta:
        indexes = [
            # Those that nobody needs any more.
            models.Index(fields=["organization", "created_at"], name="selection_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.total} devices of {self.organization}"


class SelectedDevice(models.Model):
    """One of them. No foreign key: it tells of devices that were deleted meanwhile, too.

    Its other two are without a constraint: to check 100,000 at once would take longer than to write them.
    """

    selection = models.ForeignKey(
        Selection, on_delete=models.CASCADE, related_name="devices", db_constraint=False, db_index=False
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    device_id = models.BigIntegerField()
    device_uuid = models.TextField()

    class Meta:
        constraints = [
            # It also leads through a selection in the order of the ids.
            models.UniqueConstraint(fields=["selection", "device_id"], name="selected_once"),
        ]

    def __str__(self) -> str:
        return self.device_uuid
