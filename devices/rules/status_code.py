"""What is recorded of a device in one small number: its status and the states of both its links.

An index that begins with it answers every filter by status, VPN and heartbeat, in any combination, without
looking at a device that the filter does not name. The number is ordered as lists are by default, by rank.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from django.db.models import Case, Expression, Q, SmallIntegerField, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce

from devices.rules import vpn_states
from devices.rules.status_function import recorded_rank
from devices.rules.vocabulary import RANKS, HeartbeatState, Status

VPN = vpn_states.conditions("vpn_connected")
LINKS = len(VPN) * len(HeartbeatState)  # codes of one rank
QUIET = (HeartbeatState.UNKNOWN, HeartbeatState.LOST)  # devices that do not poll


def code(status: str, vpn: str, heartbeat: str) -> int:
    """The number of a status with these states of the links."""
    position = list(VPN).index(vpn) * len(HeartbeatState) + HeartbeatState.values.index(heartbeat)
    return RANKS.index(Status(status)) * LINKS + position


def codes(statuses: Iterable[str], vpn: Iterable[str], heartbeats: Iterable[str]) -> list[int]:
    """The numbers of all combinations."""
    return sorted(code(*states) for states in product(statuses, vpn, heartbeats))


def rank_of(number: int) -> int:
    """The rank of the status of a code, were it not stalled."""
    return number // LINKS


def status_of(number: int) -> Status:
    """The status of a code."""
    status = RANKS[rank_of(number)]
    assert status
    return status


def recorded_cell() -> CombinedExpression:
    """The expression of the stored column `Device.recorded_cell`."""
    vpn = [index * len(HeartbeatState) for index in range(len(VPN))]
    return (
        recorded_rank() * Value(LINKS)
        + _numbered(VPN.values(), vpn)
        + _numbered((Q(heartbeat_state=state) for state in HeartbeatState), range(len(HeartbeatState)))
    )


def recorded_quiet_at(never: Expression) -> Case:
    """The expression of `Device.recorded_quiet_at`; `never` stands for no contact yet."""
    return Case(When(heartbeat_state__in=QUIET, then=Coalesce("last_contact_at", never)))


def _numbered(conditions: Iterable[Q], numbers: Iterable[int]) -> Case:
    whens = [
        When(condition, then=Value(number)) for condition, number in zip(conditions, numbers, strict=True)
    ]
    return Case(*whens, output_field=SmallIntegerField())
