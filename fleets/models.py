"""Who owns what: organizations, their members and their fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from dashboard.models import User

# Bounds of a poll interval in seconds (domain.md, Heartbeat).
POLL_INTERVAL_MIN = 10
POLL_INTERVAL_MAX = 24 * 3600


def poll_interval_field(
    help_text: str,
) -> models.PositiveIntegerField[int | None, int | None]:
    """Seconds between two state polls; null: the next wider setting decides."""
    return models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[
            MinValueValidator(POLL_INTERVAL_MIN),
            MaxValueValidator(POLL_INTERVAL_MAX),
        ],
        help_text=help_text,
    )


def poll_interval_in_range(name: str) -> models.CheckConstraint:
    """The bounds of a poll interval, kept by the database too."""
    return models.CheckConstraint(
        name=name,
        condition=models.Q(poll_interval__isnull=True)
        | models.Q(poll_interval__range=(POLL_INTERVAL_MIN, POLL_INTERVAL_MAX)),
    )


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def visible_to(self, user: User | AnonymousUser) -> OrganizationQuerySet:
        """The organizations this person belongs to. The one place where access is scoped."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(pk__in=Membership.objects.filter(user=user).values("organization"))


class Organization(models.Model):
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do, each including the one before (product.md, People and safety)."""

    OBSERVER = "observer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    OWNER = "owner"

    def includes(self, other: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class Membership(models.Model):
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=13, choices=Role, default=Role.OBSERVER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once"),
            models.CheckConstraint(name="membership_role", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}: {self.role}"


class FleetQuerySet(models.QuerySet["Fleet"]):
    def visible_to(self, user: User | AnonymousUser) -> FleetQuerySet:
        """The fleets of the organizations this person belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class Fleet(models.Model):
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="fleets", db_index=False
    )
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    device_type = models.CharField(max_length=100, blank=True)
    poll_interval = poll_interval_field("Seconds; empty: the site's.")
    vpn_enabled = models.BooleanField(
        default=True,
        help_text="Off: devices of this fleet are not expected to use the VPN.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FleetQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [
            # The Fleets page: the fleets of my organizations by name.
            models.Index(fields=["organization", "name"], name="fleet_by_name"),
        ]
        constraints = [poll_interval_in_range("fleet_poll_interval")]

    def __str__(self) -> str:
        return self.name
