"""Lists that are kept under a name."""

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
    def visible_to(self, user: Person, organizations: Iterable[Organization]) -> SavedViewQuerySet:
        """The person's own, and those shared within these organizations, which are the person's."""
        return self.filter(Q(owner=user.pk) | Q(organization__in=list(organizations)))

    def first_ones(self, number: int, also: uuid.UUID | None) -> SavedViewQuerySet:
        """The first ones by name, and the one that is named, wherever it stands."""
        return self.filter(Q(pk__in=self.values("pk")[:number]) | Q(uuid=also))


class SavedView(models.Model):
    """A list of devices under a name: a person's own, or shared within an organization."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=60)
    kept = models.JSONField()  # devices.listing.kept_list reads it
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
            # They find the views of a person and of an organization, too.
            models.UniqueConstraint("owner", Lower("name"), name="view_name_of_owner"),
            models.UniqueConstraint("organization", Lower("name"), name="view_name_of_organization"),
        ]

    def __str__(self) -> str:
        return self.name
