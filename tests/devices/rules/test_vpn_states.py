from __future__ import annotations

from datetime import datetime
from itertools import product

import pytest
from django.db import connection

from devices.models import Device
from devices.rules import vpn_states
from tests.factories import T0, make_device


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("connected", "used", "changed_at"), list(product([True, False], [True, False], [None, T0]))
)
def test_the_state_is_the_same_read_asked_for_and_in_sql(
    *, connected: bool, used: bool, changed_at: datetime | None
) -> None:
    device = make_device(vpn_connected=connected, vpn_enabled=used, vpn_changed_at=changed_at)
    recorded = vpn_states.recorded_as(connected=connected, changed_at=changed_at)
    state = vpn_states.state_of(recorded, used=used)
    conditions = vpn_states.conditions("vpn_connected")
    assert [name for name, asked in conditions.items() if Device.objects.filter(asked, pk=device.pk)] == [
        state
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {vpn_states.state_sql('%s::text', '%s')}", [recorded, used, used])
        assert cursor.fetchone() == (state,)
