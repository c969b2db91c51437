"""The forecast: which devices another plan or fleet type would freeze or thaw (domain.md, Freezing)."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Final

from devices.freezing.queue import Named
from devices.freezing.rule import ALL, REASON, line_of, rows_of
from fleets.models import Fleet, FleetType, Organization, Plan

NAMED: Final = 8  # devices of each kind that are named; the others are only counted

COUNTS: Final = f"""
SELECT before, after, count(*) FROM (SELECT d.frozen_reason AS before, {REASON} AS after
                                     FROM devices_device d WHERE {ALL}) AS each
WHERE before <> after GROUP BY 1, 2
"""
# The devices that freeze, the last in line first, and those that thaw, the first in line first.
NAMES: Final = f"""
(SELECT 'freezes', d.uuid, d.name FROM devices_device d
 WHERE {ALL} AND d.frozen_reason = '' AND {REASON} <> ''
 ORDER BY d.activated_at DESC NULLS LAST, d.id DESC LIMIT %(named)s)
UNION ALL
(SELECT 'thaws', d.uuid, d.name FROM devices_device d
 WHERE {ALL} AND d.frozen_reason <> '' AND {REASON} = ''
 ORDER BY d.activated_at, d.id LIMIT %(named)s)
"""


@dataclass(frozen=True)
class Forecast:
    """How many devices freeze, thaw, or stay frozen for another reason; and the first few by name."""

    freezes: int
    thaws: int
    other: int  # frozen before and after, for different reasons
    freezing: tuple[Named, ...] = ()
    thawing: tuple[Named, ...] = ()

    @property
    def affected(self) -> int:
        """How many devices' rows change."""
        return self.freezes + self.thaws + self.other

    @property
    def freezing_more(self) -> int:
        """How many devices freeze besides those named in `freezing`."""
        return self.freezes - len(self.freezing)

    @property
    def thawing_more(self) -> int:
        """How many devices thaw besides those named in `thawing`."""
        return self.thaws - len(self.thawing)


def forecast(organization: Organization, *, plan: Plan, allowance: int | None, unpaid: bool) -> Forecast:
    """What this plan would do to the organization's present devices; allowance None: no limit.

    Four queries.
    """
    supposed = copy(organization)
    supposed.plan, supposed.allowance, supposed.unpaid = plan, allowance, unpaid
    return _forecast(line_of(supposed))


def forecast_type(fleet: Fleet, fleet_type: FleetType) -> Forecast:
    """What `fleet_type` for this fleet would do to its organization's present devices. Four queries."""
    supposed = copy(fleet)
    supposed.type = fleet_type
    return _forecast(line_of(fleet.organization, supposed))


def _forecast(line: dict[str, Any]) -> Forecast:
    counts = {(before, after): int(n) for before, after, n in rows_of(COUNTS, **line)}
    names = [
        (kind, Named(uuid, name or uuid[:7])) for kind, uuid, name in rows_of(NAMES, **line, named=NAMED)
    ]
    return Forecast(
        freezes=sum(n for (before, _), n in counts.items() if not before),
        thaws=sum(n for (_, after), n in counts.items() if not after),
        other=sum(n for (before, after), n in counts.items() if before and after),
        freezing=tuple(named for kind, named in names if kind == "freezes"),
        thawing=tuple(named for kind, named in names if kind == "thaws"),
    )
