"""Telling people that they turned off mail of critical rules whose steps name their role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.contrib import messages
from django.http import HttpRequest

from dashboard.http.scope import person
from devices.alerts.hearers import silenced
from devices.models import AlertRule
from fleets.models import Organization
from fleets.text import isolated

SILENCED: Final = "The critical rule {rule} of {organization} names your role and sends you no e-mail now."


def say_silenced(request: HttpRequest, organizations: Iterable[Organization]) -> None:
    """Say on the next page of which critical rules the signed-in person receives none."""
    for organization in organizations:
        for rule in silenced(person(request).pk, organization.pk):
            messages.warning(request, silenced_sentence(rule, organization))


def silenced_sentence(rule: AlertRule, organization: Organization) -> str:
    """That a critical rule of this organization mails a person nothing, though it names their role."""
    named = {"rule": isolated(rule.name), "organization": isolated(organization.name)}
    return SILENCED.format(**named)
