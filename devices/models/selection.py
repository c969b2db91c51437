"""Selections: the devices of a bulk action, fixed when a person chose them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

from devices.models.jobs import Job
from fleets.models import Organization

if TYPE_CHECKING:
    from fleets.actor import Actor


class SelectionQuerySet(models.QuerySet["Selection"]):
    """Selections, and which of them a person may see."""

    def visible_to(self, user: Actor) -> SelectionQuerySet:
        """The selections in the organizations that `user` belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Selection(models.Model):
    """Devices of one organization, fixed at `created_at`: those ticked, or all that matched a filter."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    # The list whose filter a device must still match when its turn comes (read by devices.listing.kept_list);
    # null: ticked by hand.
    kept = models.JSONField(null=True)
    total = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    # The job that was started with the selection: one at most.
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)

    objects = SelectionQuerySet.as_manager()

    class Meta:
        indexes = [
            # The selections to delete because of their age.
            models.Index(fields=["organization", "created_at"], name="selection_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.total} devices of {self.organization}"


class SelectedDevice(models.Model):
    """One device of a selection, by id without a foreign key, since it also names devices deleted since.

    The foreign keys have no constraints: checking 100,000 rows would take longer than writing them.
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
            # Its index also yields the devices of a selection in the order of their ids.
            models.UniqueConstraint(fields=["selection", "device_id"], name="selected_once"),
        ]

    def __str__(self) -> str:
        return self.device_uuid
