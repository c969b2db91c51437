"""The people who sign in."""

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
        """In lower case as a whole: it names a person whatever its case."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        """Whose user name this is, however it is written: createsuperuser asks whether it is taken."""
        return self.get(canonical_username=canonical(username or ""))


class User(AbstractUser):
    """A person. Signs in by user name or e-mail; what they may see follows from fleets.models.Membership."""

    # Names that differ in case, width or Unicode form only are the same name.
    canonical_username = CanonicalName(unique=True, editable=False)
    email = models.EmailField("e-mail address", blank=True)
    # The address that was shown to be this person's, by a link sent there; unless it is `email`, none was.
    proven_email = models.EmailField(blank=True, editable=False)
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="Empty: the browser's, else the site's time zone.",
    )

    # The columns of the person's lists of devices (dashboard/pages/devices/columns.py); empty: the usual
    # ones.
    list_columns = ArrayField(models.CharField(max_length=20), default=list, blank=True)

    objects: ClassVar[People] = People()

    class Meta(AbstractUser.Meta):
        constraints = [
            # Of ASCII, the database can tell that it follows from the name; of the rest, Python alone.
            models.CheckConstraint(
                name="user_canonical_username",
                condition=models.Q(username__regex=r"[^!-~]")
                | models.Q(canonical_username=Lower(Collate("username", "C"))),
            ),
            # Accounts made on the console may have no e-mail; those that have one never share it.
            models.UniqueConstraint(Lower("email"), name="user_email_unique", condition=~models.Q(email="")),
            # Signing in looks for it in lower case (People.normalize_email).
            models.CheckConstraint(name="user_email_lower", condition=models.Q(email=Lower("email"))),
        ]

    def clean(self) -> None:
        """For the forms of the admin: the database decides, and this says it beside the field."""
        super().clean()
        # None: the form has refused it already.
        same = User.objects.filter(canonical_username=canonical(self.username or "")).exclude(pk=self.pk)
        if same.exists():
            raise ValidationError({"username": "This user name is taken. Choose another."})

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
