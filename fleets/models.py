"""Who owns what: organizations, their members and their fleets; and who did what to them."""

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
    def visible_to(self, user: Actor) -> OrganizationQuerySet:
        """The organizations this person belongs to. The one place where access is scoped."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(pk__in=Membership.objects.filter(user=user.pk).values("organization"))

    def with_role_of(self, user: Person) -> models.QuerySet[Any]:
        """Those this person belongs to, each with `role`: the person's role in it."""
        return self.filter(memberships__user=user.pk).annotate(role=models.F("memberships__role"))


class Plan(models.TextChoices):
    FREE = "free", "Free"
    PAID = "paid", "Paid"


class Organization(models.Model):
    """Owns fleets. Plan, allowance and invoices decide which of its devices freeze (devices/freezing)."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    plan = models.CharField(max_length=4, choices=Plan, default=Plan.FREE)
    # Active devices that may work at once; null: any number.
    allowance = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: any number of devices.")
    unpaid = models.BooleanField(default=False, help_text="Invoices are open: all its devices freeze.")
    # A switch of its Owners; a site of one's own mostly has no use for any of these.
    shows_plan = models.BooleanField(
        default=False, help_text="Pages speak of the plan, the allowance and paid types."
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
        """Whether pages speak of plan, allowance and paid types; what is set may freeze and is not hidden."""
        return self.shows_plan or self.plan == Plan.PAID or self.allowance is not None or self.unpaid


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


class Invitation(models.Model):
    """A link by which one person becomes a member; only a digest of its secret is kept."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=13, choices=Role, default=Role.OBSERVER)
    email = models.EmailField(
        "e-mail address", blank=True, help_text="For whom; empty: for who has the link."
    )
    digest = models.BinaryField(unique=True, editable=False)
    # Null: the console. The links of a person go with the account.
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
        """Names it in addresses without helping to guess its link."""
        return bytes(self.digest).hex()[:12]


def audit_text() -> Concat:
    """What a search in the audit log looks at; spelled with functions that an index may hold."""
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
    """What a person or a key did, kept for ever: the database lets nobody change it (fleets/audit).

    Names are copied and nothing is a foreign key, so that it outlives what it speaks of.
    """

    at = models.DateTimeField()
    organization_id = models.BigIntegerField(null=True)  # null: the site
    organization_name = models.CharField(max_length=100, blank=True)
    actor_id = models.BigIntegerField(null=True)  # null: the console, a key, or nobody known
    actor_name = models.CharField(max_length=255)
    address = models.GenericIPAddressField(null=True)  # null: the console
    action = models.CharField(max_length=40)  # audit_words.Action
    subject_kind = models.CharField(max_length=20)  # audit_words.Kind
    subject_id = models.CharField(max_length=100)  # as in addresses: a UUID, a slug, a name
    subject_name = models.CharField(max_length=255, blank=True)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    job = models.UUIDField(null=True)  # of which it is a part: the job has a line of its own

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            # The whole audit log of an organization, newest first.
            models.Index(fields=["organization_id", "-at", "-id"], name="audit_by_time"),
            # The same of one who, whatever the case it is typed in (fleets/audit/search.py).
            models.Index(
                "organization_id", Upper("actor_name"), F("at").desc(), F("id").desc(), name="audit_by_actor"
            ),
            # Of one action.
            models.Index(fields=["organization_id", "action", "-at", "-id"], name="audit_by_action"),
            # About one device, key or member: the link of a Device Summary.
            models.Index(
                fields=["organization_id", "subject_kind", "subject_id", "-at", "-id"],
                name="audit_by_subject",
            ),
            # The audit log without the lines behind jobs, newest first; and those behind one job.
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
            # Holding certain words.
            GinIndex(WordVector(audit_text()), name="audit_by_words"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            tell(),  # what people do is news, as a change of status is
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.subject_name or self.subject_id}"


class FleetQuerySet(models.QuerySet["Fleet"]):
    def visible_to(self, user: Actor) -> FleetQuerySet:
        """The fleets of the organizations this person belongs to."""
        return self.filter(organization__in=Organization.objects.visible_to(user))


class FleetType(models.TextChoices):
    STANDARD = "standard", "Standard"
    PAID = "paid", "Paid"  # only for organizations with a paid plan: elsewhere its devices freeze


class Fleet(models.Model):
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="fleets", db_index=False
    )
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    type = models.CharField(max_length=8, choices=FleetType, default=FleetType.STANDARD)
    device_type = models.CharField(max_length=100, blank=True)
    poll_interval = poll_interval_field("Seconds; empty: the site's.")
    # Null: not set, until a person sets it or a VPN server first connects a device of the fleet.
    vpn_enabled = models.BooleanField(
        null=True,
        blank=True,
        help_text="Unknown: from the first connection on. No: its devices are not expected to use the VPN.",
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
