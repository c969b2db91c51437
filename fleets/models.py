"""Organizations, their members, invitations and fleets, and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Cast, Concat, Upper

from fleets.postgres.name_order import NameKey
from fleets.postgres.text_search import WordVector
from fleets.postgres.triggers import tell

if TYPE_CHECKING:
    from fleets.actor import Actor, Person

# Bounds of a poll interval in seconds (domain.md, Heartbeat).
POLL_INTERVAL_MIN = 10
POLL_INTERVAL_MAX = 24 * 3600


def poll_interval_field(
    help_text: str,
) -> models.PositiveIntegerField[int | None, int | None]:
    """A field for the seconds between two state polls; null means that the next wider setting applies."""
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
    """A constraint, of this name, by which the database enforces the bounds of a poll interval."""
    return models.CheckConstraint(
        name=name,
        condition=models.Q(poll_interval__isnull=True)
        | models.Q(poll_interval__range=(POLL_INTERVAL_MIN, POLL_INTERVAL_MAX)),
    )


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def visible_to(self, user: Actor) -> OrganizationQuerySet:
        """The organizations of which this person is a member: the one place where access is scoped."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(pk__in=Membership.objects.filter(user=user.pk).values("organization"))

    def with_role_of(self, user: Person) -> models.QuerySet[Any]:
        """The organizations of which this person is a member, annotated with `role`, their role in each."""
        return self.filter(memberships__user=user.pk).annotate(role=models.F("memberships__role"))


class Plan(models.TextChoices):
    FREE = "free", "Free"
    PAID = "paid", "Paid"


class Organization(models.Model):
    """Owns fleets. Plan, allowance and invoices decide which of its devices freeze (devices/freezing)."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    plan = models.CharField(max_length=4, choices=Plan, default=Plan.FREE)
    allowance = models.PositiveIntegerField(
        null=True, blank=True, help_text="Active devices that may work at once. Leave empty for no limit."
    )
    unpaid = models.BooleanField(
        default=False, help_text="Whether invoices are unpaid. While they are, all its devices are frozen."
    )
    # Set by Owners; most sites that people run for themselves do not need plans.
    shows_plan = models.BooleanField(
        default=False, help_text="Whether pages show the plan, the allowance and paid types."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = [NameKey("name"), "pk"]
        constraints = [
            models.CheckConstraint(name="organization_plan", condition=models.Q(plan__in=Plan.values)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_plan(self) -> bool:
        """Whether pages show plan, allowance and paid types; also if any is set, as it may freeze devices."""
        return self.shows_plan or self.plan == Plan.PAID or self.allowance is not None or self.unpaid


class Role(models.TextChoices):
    """The role of a member; each includes what the one before may do (product.md, People and safety)."""

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


class Invitation(models.Model):
    """A link by which one person becomes a member; only a digest of its secret is stored."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=13, choices=Role, default=Role.OBSERVER)
    email = models.EmailField(
        "e-mail address",
        blank=True,
        help_text="Only an account with this address can accept it. If empty, anyone with the link can.",
    )
    digest = models.BinaryField(unique=True, editable=False)
    # Null for the console. Invitations are deleted with the account that created them.
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="invitation_role", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.organization} for {self.email or 'anyone with the link'}"

    @property
    def fingerprint(self) -> str:
        """The first 12 hexadecimal digits of the digest: its name in addresses, which reveals no secret."""
        return bytes(self.digest).hex()[:12]


def audit_text() -> Concat:
    """The text that a search in the audit log looks at, built of functions that an index may have."""
    return Concat(
        "actor_name",
        Value(" "),
        "subject_name",
        Value(" "),
        "subject_id",
        Value(" "),
        Cast("before", models.TextField()),
        Value(" "),
        Cast("after", models.TextField()),
        output_field=models.TextField(),
    )


class AuditEntry(models.Model):
    """An entry of the audit log: what a person or a key did. The database refuses to change or delete it.

    Names are copied and nothing is a foreign key, so that it outlives its subject (fleets/audit).
    """

    at = models.DateTimeField()
    organization_id = models.BigIntegerField(null=True)  # null: the site
    organization_name = models.CharField(max_length=100, blank=True)
    actor_id = models.BigIntegerField(null=True)  # null: the console, a key, or nobody known
    actor_name = models.CharField(max_length=255)
    address = models.GenericIPAddressField(null=True)  # null: the console
    action = models.CharField(max_length=40)  # fleets.audit.actions.Action
    subject_kind = models.CharField(max_length=20)  # fleets.audit.actions.Kind
    subject_id = models.CharField(max_length=100)  # as in addresses: a UUID, a slug, a name
    subject_name = models.CharField(max_length=255, blank=True)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    job = models.UUIDField(null=True)  # the job that it is a part of, which has an entry of its own

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-at", "-pk"]
        indexes = [
            # The whole audit log of an organization, newest first.
            models.Index(fields=["organization_id", "-at", "-id"], name="audit_by_time"),
            # The entries of one actor, in any case of letters (fleets/audit/search.py).
            models.Index(
                "organization_id", Upper("actor_name"), F("at").desc(), F("id").desc(), name="audit_by_actor"
            ),
            # The entries with one action.
            models.Index(fields=["organization_id", "action", "-at", "-id"], name="audit_by_action"),
            # The entries about one device, key or member, as a Device Summary links to.
            models.Index(
                fields=["organization_id", "subject_kind", "subject_id", "-at", "-id"],
                name="audit_by_subject",
            ),
            # The audit log without the parts of jobs, newest first; and the parts of one job.
            models.Index(
                fields=["organization_id", "-at", "-id"],
                name="audit_apart_by_time",
                condition=models.Q(job__isnull=True),
            ),
            models.Index(
                fields=["organization_id", "job", "-at", "-id"],
                name="audit_by_job",
                condition=models.Q(job__isnull=False),
            ),
            # The entries with certain words.
            GinIndex(WordVector(audit_text()), name="audit_by_words"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            tell(),  # notifies the listener, as a change of status does
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.subject_name or self.subject_id}"


class FleetQuerySet(models.QuerySet["Fleet"]):
    def visible_to(self, user: Actor) -> FleetQuerySet:
        """The fleets of the organizations this person belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class FleetType(models.TextChoices):
    STANDARD = "standard", "Standard"
    PAID = "paid", "Paid"  # needs a paid plan, otherwise its devices are frozen


class Fleet(models.Model):
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="fleets", db_index=False
    )
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    type = models.CharField(max_length=8, choices=FleetType, default=FleetType.STANDARD)
    device_type = models.CharField(max_length=100, blank=True)
    poll_interval = poll_interval_field("In seconds. Leave empty to use the site's interval.")
    # Null until a person sets it or a VPN server first connects a device of the fleet.
    vpn_enabled = models.BooleanField(
        "VPN used",
        null=True,
        blank=True,
        help_text="Whether its devices should use the VPN. Unknown means from the first connection on.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FleetQuerySet.as_manager()

    class Meta:
        ordering = [NameKey("name"), "pk"]
        indexes = [
            # The Fleets page: the fleets of my organizations by name.
            models.Index("organization", NameKey("name"), name="fleet_in_order"),
        ]
        constraints = [
            poll_interval_in_range("fleet_poll_interval"),
            models.CheckConstraint(name="fleet_type", condition=models.Q(type__in=FleetType.values)),
        ]

    def __str__(self) -> str:
        return self.name
