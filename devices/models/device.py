"""The model of a device: its facts, what it reports about itself, and what the database derives from both.

Facts are named as in domain.md; columns called `recorded_*` are derived and kept by the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Coalesce

from devices.models.heartbeat import Heartbeat
from devices.models.vpn_server import VpnServer
from devices.rules import status_code
from devices.rules.status_function import recorded_status
from devices.rules.vocabulary import LAST_ATTENTION_RANK, PROGRESSING, HeartbeatState
from devices.schema import triggers
from fleets.models import Fleet, Organization, poll_interval_field, poll_interval_in_range
from fleets.postgres.clock import DatabaseClock
from fleets.postgres.name_order import NameKey

if TYPE_CHECKING:
    from fleets.actor import Actor

UUID_PATTERN = "^([0-9a-f]{32}|[0-9a-f]{62})$"


class FrozenReason(models.TextChoices):
    """Why a device is locked; the first that applies (domain.md, Freezing)."""

    UNPAID = "unpaid", "unpaid invoices"
    FLEET_TYPE = "fleet-type", "a paid fleet type in a free organization"
    ALLOWANCE = "allowance", "outside the organization's allowance"


class DeviceQuerySet(models.QuerySet["Device"]):
    """Devices, and which of them a person may see."""

    def visible_to(self, user: Actor) -> DeviceQuerySet:
        """The devices of the organizations that `user` belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Device(models.Model):
    """One device of a fleet (domain.md): its facts, of which each has one writer, and its recorded status.

    `tags` is an object of names and values, both text; `metrics` is what devices/rules/metrics.py names.
    """

    # Follows from the fleet; the database fills it in.
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        editable=False,
        related_name="devices",
        db_index=False,
    )
    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="devices", db_index=False)
    # Sorted by bytes, so that the one index of its constraint also finds beginnings.
    uuid = models.TextField("UUID", db_collation="C", validators=[RegexValidator(UUID_PATTERN)])
    name = models.CharField(max_length=255, blank=True)
    device_type = models.CharField(max_length=255, blank=True)
    notes = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)
    poll_interval = poll_interval_field("In seconds. Leave empty to use the interval of the fleet.")
    vpn_setting = models.BooleanField(
        "VPN", null=True, blank=True, help_text="Whether it uses the VPN. Unknown means as set for the fleet."
    )
    created_at = models.DateTimeField(db_default=DatabaseClock(), editable=False)

    # What the device says of itself.
    own_name = models.CharField(  # its name is this, or an operator's
        max_length=255, blank=True, default="", db_default="", editable=False
    )
    os_version = models.CharField("OS version", max_length=255, blank=True)
    supervisor_version = models.CharField(max_length=255, blank=True)
    release = models.CharField(max_length=255, blank=True)
    target_release = models.CharField(max_length=255, blank=True)
    ip_addresses = ArrayField(
        models.CharField(max_length=255), verbose_name="IP addresses", default=list, blank=True
    )
    mac_addresses = ArrayField(
        models.CharField(max_length=255), verbose_name="MAC addresses", default=list, blank=True
    )
    update_status = models.CharField(max_length=20, blank=True)
    metrics = models.JSONField(default=dict, blank=True)
    metrics_at = models.DateTimeField(null=True, blank=True)
    public_address = models.GenericIPAddressField(null=True, blank=True)  # as seen, never reported

    # The facts a status is computed from (domain.md).
    frozen_reason = models.CharField(max_length=10, choices=FrozenReason, blank=True, default="")
    is_active = models.BooleanField(default=False)
    activated_at = models.DateTimeField(null=True, blank=True)  # null while inactive
    deactivated_at = models.DateTimeField(null=True, blank=True)
    provisioned_at = models.DateTimeField(null=True, blank=True)
    # The provisioning key it registered with: that key may look it up and exchange its key for a day.
    provisioned_by = models.ForeignKey(
        "ApiKey", on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    first_contact_at = models.DateTimeField(null=True, blank=True)
    last_contact_at = models.DateTimeField(null=True, blank=True)  # newer polls: poll.last_poll_at
    provisioning_state = models.CharField(max_length=255, blank=True, default="")
    provisioning_progress = models.PositiveSmallIntegerField(null=True, blank=True)
    update_progress = models.PositiveSmallIntegerField(null=True, blank=True)
    progress_changed_at = models.DateTimeField(null=True, blank=True)
    # Resolved: device, else fleet; false while neither says.
    vpn_enabled = models.BooleanField("VPN used", default=True)
    vpn_connected = models.BooleanField("VPN connected", default=False)
    vpn_changed_at = models.DateTimeField("VPN changed at", null=True, blank=True)
    # The owner: stays when its lease ends, goes when it says the device disconnected.
    vpn_server = models.ForeignKey(
        VpnServer, verbose_name="VPN server", on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    vpn_session = models.CharField("VPN session", max_length=255, blank=True, default="")
    heartbeat_state = models.CharField(
        max_length=7,
        choices=HeartbeatState,
        default=HeartbeatState.UNKNOWN,
    )
    heartbeat_changed_at = models.DateTimeField(null=True, blank=True)

    # Every writer of a fact says when it happened and why; the history trigger takes both over.
    facts_at = models.DateTimeField(null=True, editable=False)
    facts_reason = models.JSONField(default=dict, blank=True, editable=False)
    recorded_status = models.GeneratedField(
        expression=recorded_status(),
        output_field=models.CharField(max_length=17),
        db_persist=True,
    )
    recorded_status_at = models.DateTimeField(null=True, editable=False)  # null: since its creation
    # What lists are found and sorted by (devices/listing/index_scan.py), over the recorded facts.
    recorded_cell = models.GeneratedField(
        expression=status_code.recorded_cell(), output_field=models.SmallIntegerField(), db_persist=True
    )
    recorded_since = models.GeneratedField(
        expression=Coalesce("recorded_status_at", "created_at"),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    # The last contact of a device that does not poll; null while it does: then its Heartbeat knows, and
    # a report, which is contact, still updates this row in place.
    recorded_quiet_at = models.GeneratedField(
        expression=status_code.recorded_quiet_at(
            Cast(Value("1970-01-01 00:00:00+00"), models.DateTimeField())
        ),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )
    # When progress changed, to ten minutes: indexed, it rarely costs a report its update in place.
    recorded_progress_at = models.GeneratedField(
        expression=models.Func(
            Cast(Value("10 minutes"), models.DurationField()),
            "progress_changed_at",
            Cast(Value("2000-01-01 00:00:00+00"), models.DateTimeField()),
            function="date_bin",
        ),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )

    objects = DeviceQuerySet.as_manager()

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            models.UniqueConstraint(fields=["uuid"], name="device_uuid_once"),
            models.CheckConstraint(name="device_uuid", condition=Q(uuid__regex=UUID_PATTERN)),
            models.CheckConstraint(
                name="device_heartbeat_state",
                condition=Q(heartbeat_state__in=HeartbeatState.values),
            ),
            models.CheckConstraint(
                name="device_frozen_reason",
                condition=Q(frozen_reason__in=["", *FrozenReason.values]),
            ),
            models.CheckConstraint(
                name="device_progress",
                condition=(Q(provisioning_progress__isnull=True) | Q(provisioning_progress__range=(0, 100)))
                & (Q(update_progress__isnull=True) | Q(update_progress__range=(0, 100))),
            ),
            poll_interval_in_range("device_poll_interval"),
        ]
        indexes = [
            # Counts and status filters of a fleet, by an index-only scan.
            models.Index(fields=["fleet", "recorded_status"], name="device_fleet_status"),
            # Counts and status filters of an organization: the line above the fleets, the Devices page.
            models.Index(fields=["organization", "recorded_status"], name="device_org_status"),
            # Lists by attention: a status and states of the links, newest change first; the silence of those
            # that do not poll is looked at in the index.
            models.Index(
                "fleet",
                "recorded_cell",
                F("recorded_since").desc(),
                F("id").desc(),
                "recorded_quiet_at",
                name="device_fleet_attention",
            ),
            models.Index(
                "organization",
                "recorded_cell",
                F("recorded_since").desc(),
                F("id").desc(),
                "recorded_quiet_at",
                name="device_org_attention",
            ),
            # Lists by last contact of devices that do not poll, and how many of them are silent for long.
            models.Index(
                fields=["fleet", "recorded_cell", "-recorded_quiet_at", "-id"],
                name="device_fleet_quiet",
                condition=Q(recorded_quiet_at__isnull=False),
            ),
            models.Index(
                fields=["organization", "recorded_cell", "-recorded_quiet_at", "-id"],
                name="device_org_quiet",
                condition=Q(recorded_quiet_at__isnull=False),
            ),
            # Lists by release.
            models.Index("organization", NameKey("release"), "id", name="device_org_by_release"),
            # Devices by name, of one fleet and of all.
            models.Index("fleet", NameKey("name"), "id", name="device_fleet_by_name"),
            models.Index("organization", NameKey("name"), "id", name="device_org_by_name"),
            # The line for an allowance: its border, and the devices next to it (devices/freezing).
            models.Index(
                fields=["organization", "activated_at", "id"],
                include=["fleet"],
                name="device_place",
                condition=Q(is_active=True),
            ),
            # The first device that the allowance freezes, without reading those before it.
            models.Index(
                fields=["organization", "activated_at", "id"],
                include=["fleet"],
                name="device_beyond",
                condition=Q(is_active=True, frozen_reason="allowance"),
            ),
            # How many devices are behind an address: the lines of the Attention page.
            models.Index(
                fields=["public_address"], name="device_address", condition=Q(public_address__isnull=False)
            ),
            # What has stalled: long without progress, of those that configure or update (devices/status).
            models.Index(
                fields=["organization", "recorded_progress_at"],
                name="device_progress",
                condition=Q(recorded_status__in=PROGRESSING),
            ),
            # A VPN server's devices: its full list, the end of its lease.
            models.Index(
                fields=["vpn_server"],
                name="device_vpn_server",
                condition=Q(vpn_server__isnull=False),
            ),
        ]
        triggers = triggers.DEVICE

    def __str__(self) -> str:
        return self.name or self.uuid[:7]

    @property
    def short_uuid(self) -> str:
        """The first seven digits of its UUID, which stand for its name where it has none."""
        return self.uuid[:7]

    @property
    def read_from(self) -> str:
        """The host of the source in charge of it; empty: it is of this site. Reads `mirrored__source`."""
        row = getattr(self, "mirrored", None)
        return row.source.host if row else ""

    @property
    def vpn_unset(self) -> bool:
        """Whether its VPN is not used yet: neither the device nor its fleet sets it. Reads the fleet."""
        return not self.vpn_enabled and self.vpn_setting is None and self.fleet.vpn_enabled is None

    @property
    def last_poll(self) -> Heartbeat | None:
        """The device's Heartbeat row; None before its first poll. Queried, unless `poll` was selected."""
        return getattr(self, "poll", None)

    @property
    def attention(self) -> bool:
        """Whether the device needs attention (domain.md); only for devices annotated by with_status."""
        rank: int = self.rank  # type: ignore[attr-defined]
        return rank <= LAST_ATTENTION_RANK
