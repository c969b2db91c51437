"""Saved views: lists of devices that are kept under a name."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from fleets.models import Organization
from fleets.postgres.name_order import NameKey

if TYPE_CHECKING:
    from fleets.actor import Person


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Saved views, and which of them a person may see."""

    def visible_to(self, user: Person, organizations: Iterable[Organization]) -> SavedViewQuerySet:
        """The views that `user` owns, and those shared within `organizations`, which `user` belongs to."""
        return self.filter(Q(owner=user.pk) | Q(organization__in=list(organizations)))

    def first_ones(self, number: int, also: uuid.UUID | None) -> SavedViewQuerySet:
        """The first `number` views by name, and besides them the view with the UUID `also`, if given."""
        return self.filter(Q(pk__in=self.values("pk")[:number]) | Q(uuid=also))


class SavedView(models.Model):
    """A list of devices under a name: a person's own, or shared within an organization."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=60)
    kept = models.JSONField()  # the list: versioned JSON of devices.listing.kept_list
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            models.CheckConstraint(
                name="view_of_one",
                condition=Q(owner__isnull=True) ^ Q(organization__isnull=True),
            ),
            # Their indexes also find the views of a person and of an organization.
            models.UniqueConstraint("owner", Lower("name"), name="view_name_of_owner"),
            models.UniqueConstraint("organization", Lower("name"), name="view_name_of_organization"),
        ]

    def __str__(self) -> str:
        return self.name
