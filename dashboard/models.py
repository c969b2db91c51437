"""Accounts, and the table of the cache that all processes share."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Collate, Lower

from dashboard.user_names import CanonicalName, canonical


class People(UserManager["User"]):
    use_in_migrations = False

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """The address in lower case, as it identifies a person in any case."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        """The account with this user name in any spelling, so that createsuperuser finds it taken."""
        return self.get(canonical_username=canonical(username or ""))


class User(AbstractUser):
    """A person. Signs in by user name or e-mail; what they may see follows from fleets.models.Membership."""

    # Names that differ in case, width or Unicode form only are the same name.
    canonical_username = CanonicalName(unique=True, editable=False)
    email = models.EmailField("e-mail address", blank=True)
    # The address that this person confirmed by a link sent there; `email` is confirmed only if it is equal.
    proven_email = models.EmailField(blank=True, editable=False)
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="Leave empty to use the browser's time zone, or the site's if the browser sends none.",
    )

    # Names of columns of the person's lists of devices (dashboard/pages/devices/columns.py); empty: the
    # default.
    list_columns = ArrayField(models.CharField(max_length=20), default=list, blank=True)

    # What links in mails have ended since this person last looked, a sentence each
    # (dashboard/account/unsubscribed.py).
    unsubscribed = ArrayField(models.TextField(), default=list, db_default=[], blank=True, editable=False)

    objects: ClassVar[People] = People()

    class Meta(AbstractUser.Meta):
        constraints = [
            # The database can check names in ASCII; the canonical form of others is known to Python alone.
            models.CheckConstraint(
                name="user_canonical_username",
                condition=models.Q(username__regex=r"[^!-~]")
                | models.Q(canonical_username=Lower(Collate("username", "C"))),
            ),
            # No two accounts share an e-mail address; accounts created on the console may have none.
            models.UniqueConstraint(Lower("email"), name="user_email_unique", condition=~models.Q(email="")),
            # Sign-in compares the address in lower case (People.normalize_email).
            models.CheckConstraint(name="user_email_lower", condition=models.Q(email=Lower("email"))),
        ]

    def clean(self) -> None:
        """Raise ValidationError for a taken user name, which the admin shows beside the field."""
        super().clean()
        # The name is None if the form has refused it already.
        same = User.objects.filter(canonical_username=canonical(self.username or "")).exclude(pk=self.pk)
        if same.exists():
            raise ValidationError({"username": "This user name is taken. Choose another."})

    @property
    def email_is_proven(self) -> bool:
        return bool(self.email) and self.email == self.proven_email


class Shared(models.Model):
    """The table of Django's database cache: counters of rate limits that all processes share."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField()

    class Meta:
        indexes = [
            # For deleting expired rows.
            models.Index(fields=["expires"], name="shared_by_expiry"),
        ]

    def __str__(self) -> str:
        return self.cache_key
