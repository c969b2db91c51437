"""Which devices are the newest that need attention, by what is recorded.

Those in a status that needs attention are found by the indexes of lists by attention, the newest first. The
stalled ones have no index in this order. Where they are few, all are found by the index of progress; where
they are many, they are picked from the newest of all that configure or update. Neither is cheap where many
have stalled and yet the newest all make progress. So both look at FEW devices at first, and at more as long
as that is not enough: together at not many more than the cheaper of them has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import connection

from devices.clock import Moment
from devices.listing import index_scan
from devices.listing.among import Among
from devices.listing.branches import recorded
from devices.listing.cursor import Cursor
from devices.listing.grouping import moment_of
from devices.rules.stalled import recorded_stalled, stopped_progress
from devices.rules.status_code import VPN, codes
from devices.rules.vocabulary import PROGRESSING, WORST, HeartbeatState
from fleets.postgres.fragment import Fragment, joined

FEW: Final = 4_000  # more than are asked for, so that these are enough where all have stalled
MORE: Final = 16  # so many times more are looked at next
# A device's place among the newest: since when it has its status, in microseconds since 1970, and its id.
Place = tuple[int, int]
TROUBLE: Final = codes(WORST, VPN, HeartbeatState.values)
MAY_STALL: Final = codes(PROGRESSING, VPN, HeartbeatState.values)

BEFORE: Final = "(d.recorded_since, d.id) >= (%s, %s)"
BEHIND: Final = "(d.recorded_since, d.id) < (%s, %s)"
UNMOVED: Final = "d.id <> ALL(%s::bigint[])"
# The devices of each scope and status code, in the order of the indexes by attention.
OF_CODE: Final = """
    FROM devices_device d WHERE d.{column}_id = scope.id AND d.recorded_cell = c.code AND {within}
    ORDER BY d.recorded_since DESC, d.id DESC
"""
CODES: Final = "unnest(%s::bigint[]) AS scope(id), unnest(%s::smallint[]) AS c(code)"
IN_TROUBLE: Final = f"""
SELECT near.*, true, false FROM {CODES}, LATERAL (
    SELECT d.id, d.recorded_since, {{version}} AS version {OF_CODE} LIMIT %s
) AS near
"""
THESE: Final = """
SELECT d.id, d.recorded_since, d.xmin, true, false FROM devices_device d
WHERE d.id = ANY(%s) AND (d.recorded_cell = ANY(%s::smallint[]) OR {stalled})
"""
# Each row has its place, its version, whether it needs attention, and whether it `ends` what was looked at:
# of what is behind it nothing is known.
NEWEST: Final = f"""
WITH stopped AS MATERIALIZED (
    SELECT d.id, d.recorded_since, d.xmin FROM devices_device d WHERE {{stopped}} LIMIT {{looked}} + 1
), number AS (
    SELECT count(*) AS stalled, count(*) <= {{looked}} AS few FROM stopped
)
SELECT string_agg(concat(id, ' ', version), ',') FILTER (WHERE attends), coalesce(bool_or(ends), false),
    (SELECT stalled FROM number)
FROM (
    SELECT * FROM (
        ({{in_trouble}})
        UNION ALL
        (SELECT *, true, false FROM stopped AS d WHERE (SELECT few FROM number) AND {{before}})
        UNION ALL
        (SELECT near.* FROM {CODES}, LATERAL (
            SELECT id, recorded_since, version, attends, number = {{looked}} FROM (
                SELECT *, row_number() OVER () AS number FROM (
                    SELECT d.id, d.recorded_since, d.xmin AS version, {{stalled}} AS attends {OF_CODE}
                    LIMIT {{looked}}
                ) AS d
            ) AS d WHERE attends OR number = {{looked}} LIMIT %s
        ) AS near WHERE NOT (SELECT few FROM number))
    ) AS every (id, since, version, attends, ends)
    ORDER BY since DESC, id DESC LIMIT %s
) AS near
"""


@dataclass(frozen=True)
class Reach:
    """How far a reading reaches: to so many devices, and to a place. Devices that `moved` (ids) are left out.

    `version` is the SQL of the version of a row, or of null, so that rows in trouble are not read.
    """

    most: int
    floor: Place | None = None
    moved: Sequence[int] = ()
    version: str = "d.xmin"

    @property
    def before(self) -> Fragment:
        """The condition on `d` that it is not behind the floor."""
        return (BEFORE, of_place(self.floor)) if self.floor else ("true", [])

    @property
    def unmoved(self) -> Fragment:
        """The condition on `d` that it did not move."""
        return (UNMOVED, [list(self.moved)]) if self.moved else ("true", [])


@dataclass(frozen=True)
class Found:
    """Devices as id and version of the row, and how many have stalled, if so many were looked at."""

    versions: Sequence[str]
    stalled: int | None

    @property
    def ids(self) -> list[int]:
        """The ids of the devices."""
        return ids_of(self.versions)


def ids_of(versions: Sequence[str]) -> list[int]:
    """The ids of devices that are given as id and version of the row."""
    return [int(version.partition(" ")[0]) for version in versions]


def of_place(floor: Place | None) -> list[Any]:
    """The parameters of BEFORE and BEHIND; none without a floor."""
    return [moment_of(floor[0]), floor[1]] if floor else []


def newest_recorded(among: Among, at: Moment, reach: Reach) -> Found:
    """The newest devices in scope that need attention by their recorded status at `at`, in any order.

    One query, and one more each time that the newest were all found to make progress.
    """
    looked = FEW
    while True:
        sql, params = _newest(among, at, reach, looked)
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            found, unsure, stalled = cursor.fetchone()
        if not unsure:
            known = among.counted and stalled <= looked
            return Found(found.split(",") if found else [], stalled if known else None)
        looked *= MORE


def _newest(among: Among, at: Moment, reach: Reach, looked: int) -> Fragment:
    column, scope = among.whole
    stopped, stopped_by = _stopped(among, at, reach)
    in_trouble, trouble = _in_trouble(among, at, reach)
    before, floor = reach.before
    stalled, stalled_by = recorded_stalled(at.heard)
    within, bounds = joined([reach.before, reach.unmoved])
    sql = NEWEST.format(
        stopped=stopped,
        in_trouble=in_trouble,
        before=before,
        stalled=stalled,
        column=column,
        within=within,
        looked=looked,
    )
    walked = [scope, MAY_STALL, *stalled_by, *bounds, reach.most]
    return sql, [*stopped_by, *trouble, *floor, *walked, reach.most]


def _stopped(among: Among, at: Moment, reach: Reach) -> Fragment:
    """The condition of the devices in scope that have stalled by what is recorded; of none with filters."""
    if not among.counted:
        return "false", []
    return joined([among.recorded, stopped_progress(at.heard), recorded_stalled(at.heard), reach.unmoved])


def _in_trouble(among: Among, at: Moment, reach: Reach) -> Fragment:
    """SQL of the newest that are recorded with a status that needs attention, as rows of NEWEST.

    With filters also of the newest stalled ones.
    """
    if not among.counted:
        stalled, stalled_by = recorded_stalled(at.heard)
        return THESE.format(stalled=stalled), [_newest_filtered(among, at, reach), TROUBLE, *stalled_by]
    column, scope = among.whole
    within, bounds = joined([reach.before, reach.unmoved])
    sql = IN_TROUBLE.format(column=column, version=reach.version, within=within)
    return sql, [scope, TROUBLE, *bounds, reach.most]


def _newest_filtered(among: Among, at: Moment, reach: Reach) -> list[int]:
    """Ids of the newest devices of each status that needs attention or may stall, by index scans of the list.

    Of those that may stall first come the stalled ones, and others only where these are few.
    """
    listed, found = recorded(among.organizations, among.filters, at, reach.moved), list[int]()
    cursor = Cursor("attention", backwards=False, values=None, size=reach.most)
    for status in (*WORST, *PROGRESSING):
        of_status = set(codes([status], VPN, HeartbeatState.values))
        branches = [
            replace(branch, codes=[code for code in branch.codes if code in of_status])
            for branch in listed.branches
        ]
        found += index_scan.ids(replace(listed, branches=branches), [], cursor)[0]
    return found
