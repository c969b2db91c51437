"""The model of a VPN server, which owns the VPN links of the devices that it connected."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from fleets.models import Organization


class VpnServer(models.Model):
    """One process life of a VPN server. Its name is unique within its organization, or within the site.

    The lease runs from the first life sign until 60 s after the last sign or event. A life that never sent a
    sign has no lease; the first sign of another life of that server gives it one, so that the links it owns
    come to an end.
    """

    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="vpn_servers",
    )  # null: a server of the site, for devices of all organizations
    name = models.CharField(max_length=255)
    boot = models.CharField(max_length=255, blank=True)
    last_sign_at = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField(null=True, blank=True)  # a connect or disconnect that it reported
    lease_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)  # lease_until while its end is not recorded

    class Meta:
        verbose_name = "VPN server"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name", "boot"], nulls_distinct=False, name="vpn_server_life_once"
            )
        ]
        indexes = [
            # settle and every reading: leases that ended unrecorded.
            models.Index(
                fields=["due_at"],
                name="vpn_server_due",
                condition=Q(due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name
