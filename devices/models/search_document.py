"""The search document of a device: a row of its own, so that changes of status never touch its indexes."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from devices.models.device import Device
from fleets.models import Organization


class Description(models.Model):
    """A device's words, tags, type and versions as its row has them; kept by triggers on Device."""

    device = models.OneToOneField(
        Device, on_delete=models.DO_NOTHING, primary_key=True, related_name="description"
    )  # deleted with the device, by a trigger
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    recorded_words = SearchVectorField()  # made by devices/schema/search_document.py
    recorded_tags = models.JSONField(default=dict)
    recorded_type = models.CharField(max_length=255, blank=True)
    recorded_os_version = models.CharField(max_length=255, blank=True)
    recorded_release = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes = [
            # Searches of a list.
            GinIndex(fields=["recorded_words"], name="description_words"),
            # Filters by tag: has a key, has a key with a value.
            GinIndex(fields=["recorded_tags"], name="description_tags"),
            # Filters by type and versions, and the suggestions for them.
            models.Index(fields=["organization", "recorded_type"], name="description_type"),
            models.Index(fields=["organization", "recorded_os_version"], name="description_os_version"),
            models.Index(fields=["organization", "recorded_release"], name="description_release"),
        ]

    def __str__(self) -> str:
        return f"what is searched of {self.device_id}"
