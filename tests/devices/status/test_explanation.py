"""What the clock will bring, as the explanation of a status names it."""

from __future__ import annotations

import pytest

from devices import connectivity
from devices.models import VpnServer
from devices.rules.vocabulary import Status
from devices.status.explanation import explain
from tests.devices.status.polled import (
    LATE,
    LOST,
    make_polled,
)
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db


def test_the_explanation_names_what_the_clock_will_bring() -> None:
    device = make_polled()
    why = explain(device, T0 + seconds(60))
    assert (why.next_status, why.next_at) == (Status.OFFLINE, T0 + seconds(LOST))
    assert "not connected" in why.because
    assert "12:00:00" in why.because
    lost = explain(device, T0 + seconds(LOST))
    assert (lost.next_status, lost.next_at) == (None, None)


@pytest.mark.parametrize(("elapsed", "named"), [(29, False), (30, True), (59, True)])
def test_a_lease_is_named_once_its_sign_is_overdue(elapsed: float, *, named: bool) -> None:
    device = make_polled()
    connectivity.vpn_alive("vpn-1", at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    why = explain(device, T0 + seconds(elapsed))
    lease = (Status.HEARTBEAT_ONLY, T0 + seconds(60))
    window = (Status.VPN_ONLY, T0 + seconds(LATE))
    assert (why.next_status, why.next_at) == (lease if named else window)
    assert VpnServer.objects.get().due_at == T0 + seconds(60)
