"""What a test that commits leaves behind is gone before the next, however much it was."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import TransactionTestCase

from devices.models import Device, StatusChange
from devices.operations import lifecycle
from fleets.models import AuditEntry, Organization, Role
from fleets.services import invitations
from tests import emptying
from tests.factories import make_fleet, make_member, make_uuid

FULL = (Organization, Device, StatusChange, AuditEntry)


def guards() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'O' AND NOT tgisinternal")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("large", [emptying.LARGE, 0])
def test_the_rows_are_gone_and_the_triggers_stay(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "LARGE", large)
    fleet, before = make_fleet(), guards()
    lifecycle.register(fleet=fleet, uuid=make_uuid())  # a trigger begins its history
    owner = make_member(fleet.organization, Role.OWNER)
    invitations.invite(organization=fleet.organization, role=Role.OBSERVER, actor=owner)
    assert all(model.objects.exists() for model in FULL)
    emptying.empty(TransactionTestCase())
    assert not any(model.objects.exists() for model in FULL)
    assert ContentType.objects.filter(app_label="devices").exists()
    assert Permission.objects.exists()
    assert guards() == before > 0
