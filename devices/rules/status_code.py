"""The status code: a device's recorded status and the recorded states of both its links, as one number.

An index that begins with the code answers every filter by status, VPN and heartbeat, in any combination,
without reading a device that does not match. Codes sort by rank, as lists do by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
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


@cache
def code(status: str, vpn: str, heartbeat: str) -> int:
    """The code of a status (a slug), a VPN state of vpn_states.conditions, and a HeartbeatState."""
    position = list(VPN).index(vpn) * len(HeartbeatState) + HeartbeatState.values.index(heartbeat)
    return RANKS.index(Status(status)) * LINKS + position


def codes(statuses: Iterable[str], vpn: Iterable[str], heartbeats: Iterable[str]) -> list[int]:
    """The codes of all combinations of these statuses and states, in ascending order."""
    return sorted(code(*states) for states in product(statuses, vpn, heartbeats))


def rank_of(number: int) -> int:
    """The rank, an index of RANKS, of the status of a code; a code does not tell whether it has stalled."""
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
    """The expression of the stored column `Device.recorded_quiet_at`.

    It is the last contact of a device that does not poll, `never` where there was none; null while it polls.
    """
    return Case(When(heartbeat_state__in=QUIET, then=Coalesce("last_contact_at", never)))


def _numbered(conditions: Iterable[Q], numbers: Iterable[int]) -> Case:
    whens = [
        When(condition, then=Value(number)) for condition, number in zip(conditions, numbers, strict=True)
    ]
    return Case(*whens, output_field=SmallIntegerField())
