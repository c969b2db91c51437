"""Acknowledging an incident: who may, for how many devices, until when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from devices.alerts import acknowledging
from devices.alerts.refusals import Invalid
from devices.models import Incident
from fleets.models import AuditEntry, Role
from tests.factories import T0, make_member, make_organization

pytestmark = pytest.mark.django_db


def make_incident(**fields: object) -> Incident:
    values = {"kind": 2, "key": "203.0.113.7", "what": "vpn", "first": T0, "last": T0, "rank": 0, "now": 12}
    times = {"opened_at": T0, "tell_at": T0, "state": "firing", "severity": "critical"}
    return Incident.objects.create(organization=make_organization(), **values | times | fields)


def test_it_is_for_the_devices_that_it_has_now() -> None:
    incident = make_incident()
    mia = make_member(incident.organization, Role.OPERATOR, "mia")
    acknowledging.acknowledge(incident=incident, actor=mia, note="On my way", at=T0)
    incident.refresh_from_db()
    assert incident.acknowledged_by_name == "mia"
    assert (incident.acknowledged_members, incident.acknowledged_rank) == (12, 0)
    assert incident.acknowledged_until is None
    acknowledging.withdraw(incident=incident, actor=mia, at=T0)
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["incident-acknowledged", "incident-returned"]


def test_observers_and_strangers_do_not() -> None:
    incident = make_incident()
    for person in (make_member(incident.organization, Role.OBSERVER), make_member(make_organization())):
        with pytest.raises(PermissionDenied):
            acknowledging.acknowledge(incident=incident, actor=person, at=T0)


@pytest.mark.parametrize("after", [timedelta(), timedelta(days=7, seconds=1)])
def test_it_lasts_at_most_seven_days(after: timedelta) -> None:
    incident = make_incident()
    mia = make_member(incident.organization)
    with pytest.raises(Invalid) as refused:
        acknowledging.acknowledge(incident=incident, actor=mia, until=T0 + after, at=T0)
    assert refused.value.field == "until"


def test_what_is_over_is_nobodys() -> None:
    incident = make_incident(state="resolved", resolved_at=T0)
    with pytest.raises(acknowledging.Over):
        acknowledging.acknowledge(incident=incident, actor=make_member(incident.organization), at=T0)
