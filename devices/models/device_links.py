"""An organization's own links and commands, shown with the facts of each device."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from fleets.models import Organization
from fleets.postgres.name_order import NameKey


class DeviceLink(models.Model):
    """An address or a command under a name; devices.rules.link_template has checked its `template`."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=60)
    template = models.TextField()

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            # It finds those of an organization, too.
            models.UniqueConstraint("organization", Lower("name"), name="device_link_name"),
        ]

    def __str__(self) -> str:
        return self.name
