"""Whether what is recorded followed from the facts, night by night."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Verification(models.Model):
    """One comparison of the whole site (devices/integrity/nightly.py), for the administrators of the site."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    found = models.PositiveIntegerField()  # disagreements: 0, or we have a bug
    lines = ArrayField(models.TextField(), default=list)  # the first of them, in words

    def __str__(self) -> str:
        return f"{self.found} disagreements at {self.began_at}"
