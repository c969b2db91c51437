"""The people who sign in."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower


class People(UserManager["User"]):
    use_in_migrations = False

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """In lower case as a whole: it names a person whatever its case."""
        return (email or "").strip().lower()


class User(AbstractUser):
    """A person. Signs in by user name or e-mail; what they may see follows from fleets.Membership."""

    email = models.EmailField("e-mail address", blank=True)
    # The address that was shown to be this person's, by a link sent there; unless it is `email`, none was.
    proven_email = models.EmailField(blank=True, editable=False)
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="Empty: the browser's, else the site's time zone.",
    )

    # The columns of the person's lists of devices (devices/pages/columns.py); empty: the usual ones.
    list_columns = ArrayField(models.CharField(max_length=20), default=list, blank=True)

    objects: ClassVar[People] = People()

    class Meta(AbstractUser.Meta):
        constraints = [
            # Accounts made on the console may have no e-mail; those that have one never share it.
            models.UniqueConstraint(Lower("email"), name="user_email_unique", condition=~models.Q(email="")),
            # Signing in looks for it in lower case (People.normalize_email).
            models.CheckConstraint(name="user_email_lower", condition=models.Q(email=Lower("email"))),
        ]

    @property
    def email_is_proven(self) -> bool:
        return bool(self.email) and self.email == self.proven_email


class Shared(models.Model):
    """Counts and marks that all processes share for a while: the table of Django's database cache."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField()

    class Meta:
        indexes = [
            # Clearing what has expired.
            models.Index(fields=["expires"], name="shared_by_expiry"),
        ]

    def __str__(self) -> str:
        return self.cache_key
