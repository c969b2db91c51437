"""The results of the nightly integrity checks."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Verification(models.Model):
    """One run of the checks over the site (devices/integrity/nightly.py), shown to its administrators."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    found = models.PositiveIntegerField()  # the number of disagreements; more than 0 means a bug of ours
    lines = ArrayField(models.TextField(), default=list)  # the first disagreements, one sentence each

    def __str__(self) -> str:
        return f"{self.found} disagreements at {self.began_at}"
