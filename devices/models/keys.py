"""Keys of devices, fleets and VPN servers, as digests."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from devices.models.device import Device
from fleets.models import Fleet, Organization
from fleets.postgres.clock import DatabaseClock


class ApiKey(models.Model):
    """A secret shown once; only its digest is kept (protocol.md, Keys)."""

    class Kind(models.TextChoices):
        DEVICE = "device"
        PROVISIONING = "provisioning"
        SERVICE = "service"

    kind = models.CharField(max_length=12, choices=Kind)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
    )  # null: a service key of the site
    fleet = models.ForeignKey(
        Fleet,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="provisioning_keys",
    )
    device = models.ForeignKey(
        Device, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    name = models.CharField(max_length=100, blank=True)
    digest = models.BinaryField(unique=True)
    created_at = models.DateTimeField(db_default=DatabaseClock(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)  # to the hour
    last_refused_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_refused_reason = models.CharField(max_length=60, blank=True, editable=False)
    # Devices that registered with a provisioning key: ever, and in the hour in which the last one did
    # (devices/operations/ceilings.py).
    registered = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    registered_hour = models.DateTimeField(null=True, editable=False)
    registered_in_hour = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                name="api_key_owner",
                condition=Q(
                    kind="device",
                    device__isnull=False,
                    fleet__isnull=True,
                    organization__isnull=False,
                )
                | Q(
                    kind="provisioning",
                    fleet__isnull=False,
                    device__isnull=True,
                    organization__isnull=False,
                )
                | Q(kind="service", fleet__isnull=True, device__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} key {self.name or self.pk}"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the digest, which name the key without helping to guess it."""
        return bytes(self.digest).hex()[:12]


class FormerKey(models.Model):
    """The digest of a deleted device's key, kept 90 days so that its agent is told from a stranger."""

    digest = models.BinaryField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    device_uuid = models.TextField()
    deleted_at = models.DateTimeField(db_index=True)  # the clean-up after 90 days

    def __str__(self) -> str:
        return f"former key of {self.device_uuid}"
