"""The people who sign in."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class User(AbstractUser):
    """A person. Signs in by user name or e-mail; what they may see follows from fleets.Membership."""

    email = models.EmailField("e-mail address", blank=True)
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="Empty: the browser's, else the site's time zone.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            # Accounts made on the console may have no e-mail; those that have one never share it.
            models.UniqueConstraint(Lower("email"), name="user_email_unique", condition=~models.Q(email="")),
        ]
