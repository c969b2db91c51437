"""The rule table of domain.md, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from devices.rules.rules import RULES
from devices.rules.vocabulary import Status
from devices.status.explanation import explain
from tests.devices.status.polled import (
    BEATS,
    DOWN,
    LATELY,
    LOST_BEAT,
    NEW,
    UP,
    status_at,
)
from tests.factories import T0, make_device

pytestmark = pytest.mark.django_db

# rule, facts, status: every rule, and for each the facts that a later rule would read otherwise
TABLE: list[tuple[int, dict[str, Any], Status]] = [
    (1, UP | BEATS | {"frozen_reason": "unpaid"}, Status.FROZEN),
    (1, {"frozen_reason": "fleet-type", "is_active": False}, Status.FROZEN),
    (1, {"frozen_reason": "allowance", "provisioning_state": "Post-Provisioning"}, Status.FROZEN),
    (2, UP | BEATS | {"is_active": False}, Status.INACTIVE),
    (2, {"is_active": False, "provisioning_state": "Post-Provisioning"}, Status.INACTIVE),
    (3, UP | BEATS | {"provisioning_state": "Post-Provisioning"}, Status.POST_PROVISIONING),
    (3, DOWN | LOST_BEAT | {"provisioning_state": "Post-Provisioning"}, Status.POST_PROVISIONING),
    (12, UP | BEATS | {"provisioning_state": "post-provisioning"}, Status.ONLINE),
    (4, {"provisioning_progress": 0}, Status.CONFIGURING),
    (4, NEW | {"provisioning_progress": 100}, Status.CONFIGURING),
    (5, {}, Status.POST_PROVISIONING),
    (5, {"update_progress": 50, "first_contact_at": T0}, Status.POST_PROVISIONING),
    (6, NEW, Status.INACTIVE),
    (7, NEW | {"first_contact_at": T0}, Status.OFFLINE),
    (7, DOWN, Status.OFFLINE),
    (7, DOWN | LOST_BEAT, Status.OFFLINE),
    (7, LOST_BEAT, Status.OFFLINE),
    (7, DOWN | LOST_BEAT | {"update_progress": 10}, Status.OFFLINE),
    (7, DOWN | LOST_BEAT | {"provisioning_progress": 10}, Status.OFFLINE),
    (7, DOWN | LOST_BEAT | {"vpn_enabled": False}, Status.OFFLINE),
    (8, UP | {"provisioning_progress": 0}, Status.CONFIGURING),
    (8, DOWN | BEATS | {"provisioning_progress": 99, "update_progress": 1}, Status.CONFIGURING),
    (9, UP | BEATS | {"update_progress": 0}, Status.UPDATING),
    (9, DOWN | BEATS | {"update_progress": 100}, Status.UPDATING),
    (9, UP | LATELY | {"update_progress": 5}, Status.UPDATING),
    (10, UP | LOST_BEAT | {"update_progress": 5}, Status.VPN_ONLY),
    (10, UP | {"update_progress": 5}, Status.VPN_ONLY),
    (10, UP | LATELY, Status.VPN_ONLY),
    (10, UP | LOST_BEAT, Status.VPN_ONLY),
    (10, UP, Status.VPN_ONLY),
    (11, DOWN | BEATS, Status.HEARTBEAT_ONLY),
    (11, BEATS, Status.HEARTBEAT_ONLY),
    (11, DOWN | LATELY, Status.HEARTBEAT_ONLY),
    (11, DOWN | LATELY | {"vpn_enabled": False}, Status.HEARTBEAT_ONLY),
    (12, UP | BEATS, Status.ONLINE),
    (12, DOWN | BEATS | {"vpn_enabled": False}, Status.ONLINE),
    (12, UP | BEATS | {"vpn_enabled": False}, Status.ONLINE),
]


@pytest.mark.parametrize(("rule", "facts", "status"), TABLE)
def test_the_first_matching_rule_gives_the_status(rule: int, facts: dict[str, Any], status: Status) -> None:
    device = make_device(**facts)
    why = explain(device, T0)
    assert (why.rule, why.status, status_at(device, T0)) == (rule, status, status)
    assert device.recorded_status == status
    assert RULES[rule - 1].status == status


def test_the_table_reaches_every_rule() -> None:
    assert {rule for rule, _, _ in TABLE} == set(range(1, len(RULES) + 1))
