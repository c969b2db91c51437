"""Lists of devices that people upload, to preregister them all at once."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from devices.models.jobs import Job
from fleets.models import Fleet, Organization


class DeviceList(models.Model):
    """An uploaded file without errors. Its lines are kept until a job has created their devices."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    fleet = models.ForeignKey(Fleet, on_delete=models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=255)
    # Each as devices.operations.device_file.Line; empty once their devices exist.
    lines = models.JSONField(default=list)
    count = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    job = models.OneToOneField(Job, on_delete=models.CASCADE, null=True, related_name="device_list")
    # The devices' keys are handed out as a file (devices/operations/key_handout.py): when first, and to
    # whom; when somebody confirmed to have it; the file itself as long as it is offered again.
    keys_at = models.DateTimeField(null=True)
    keys_by_name = models.CharField(max_length=255, blank=True)
    keys_confirmed_at = models.DateTimeField(null=True)
    encrypted_keys = models.TextField(blank=True, default="", db_default="")

    class Meta:
        indexes = [
            # The clean-up of lists that were never confirmed.
            models.Index(
                fields=["created_at"], name="device_list_unconfirmed", condition=Q(job__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.file_name
