"""How long it takes from a pulled plug until a message can arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from devices.alerts.parameters import LongerThan, OfStatus
from devices.alerts.rule_values import usual
from devices.alerts.timing import Links, Span, links_of, message_after
from devices.models import Condition, Device, Severity
from devices.rules.vocabulary import Status
from tests.factories import make_device, make_fleet

VPN, NONE = {"some_vpn": True, "all_vpn": True}, {"some_vpn": False, "all_vpn": False}


def span(soonest: str, latest: str) -> Span:
    (m, s), (n, t) = (map(int, text.split(":")) for text in (soonest, latest))
    return Span(timedelta(minutes=m, seconds=s), timedelta(minutes=n, seconds=t))


@pytest.mark.parametrize(
    ("condition", "values", "links", "expected"),
    [
        # Every 15 min: lost 22 min 45 s after the last poll, which is at most 16 min ago.
        (Condition.STATUS, {}, Links({900}, **VPN), span("9:45", "25:45")),
        (Condition.STATUS, {}, Links({900}, **NONE), span("9:45", "25:45")),
        (Condition.STATUS, {"delay": timedelta(minutes=5)}, Links({900}, **NONE), span("12:45", "28:45")),
        (Condition.TOGETHER, {}, Links({900}, **VPN), span("3:00", "5:00")),
        (Condition.TOGETHER, {}, Links({900}, **NONE), span("9:45", "25:45")),
        (Condition.TOGETHER, {}, Links({900}, some_vpn=True, all_vpn=False), span("3:00", "25:45")),
        # Each minute: lost 105 s after the last poll; a VPN server notices within two minutes.
        (Condition.STATUS, {}, Links({60}, **NONE), span("3:00", "4:45")),
        (Condition.STATUS, {}, Links({60}, **VPN), span("3:00", "5:00")),
        (Condition.STATUS, {}, Links({60, 900}, **NONE), span("3:00", "25:45")),
        (Condition.SILENT, {"parameters": LongerThan(3600)}, Links({900}, **NONE), span("45:00", "61:00")),
        (Condition.STATUS, {"parameters": OfStatus((Status.FROZEN,))}, Links({900}, **VPN), None),
        (Condition.FLAPPING, {}, Links({900}, **VPN), None),
        (Condition.STATUS, {}, Links((), **NONE), None),  # no device yet
    ],
)
def test_message_after(
    condition: Condition, values: dict[str, Any], links: Links, expected: Span | None
) -> None:
    assert message_after(usual("Rule", condition, Severity.WARNING, **values), links) == expected


@pytest.mark.django_db
def test_how_devices_report_is_read_of_device_fleet_and_site() -> None:
    fast = make_fleet(poll_interval=60)
    make_device(fast)
    make_device(fast, poll_interval=300)
    without = make_fleet(vpn_enabled=False)
    make_device(without, vpn_enabled=False)
    assert links_of(Device.objects.filter(fleet=fast)) == Links({60, 300}, **VPN)
    assert links_of(Device.objects.filter(fleet=without)) == Links({900}, **NONE)
    assert links_of(Device.objects.all()) == Links({60, 300, 900}, some_vpn=True, all_vpn=False)
    assert links_of(Device.objects.none()) == Links(set(), **NONE)
