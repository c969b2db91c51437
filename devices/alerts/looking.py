"""Having the next round look at incidents again, since a person has changed what decides about messages."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from devices.models import Incident


def look_again(organization: int, at: datetime) -> None:
    """Have the next round look at what is open or held in this organization."""
    mine = Incident.objects.filter(organization=organization)
    mine.filter(~Q(state=Incident.State.RESOLVED) | Q(held__isnull=False)).update(look_at=at)
