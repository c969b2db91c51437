"""How many devices were lost with those of a line, where a page has not looked at all that need attention."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

from django.db import connection

from devices.clock import Moment
from devices.listing import grouping
from devices.listing.among import Among
from devices.listing.grouping import Line, moment_of
from devices.listing.kept_totals import LOST_WITH
from devices.listing.newest_recorded import BEHIND, TROUBLE, of_place
from devices.listing.sessions import TOGETHER
from devices.listing.trouble import Newest
from devices.listing.what_was_lost import MOMENT
from devices.rules.stalled import PROGRESS_KEPT
from devices.rules.vocabulary import PROGRESSING
from fleets.postgres.fragment import Fragment, joined

MANY: Final = 1000  # devices of a line are counted up to here

# What devices share, by its kind, as the key of a line says it.
SHARES: Final = {
    grouping.SERVER: "d.vpn_server_id",
    grouping.ADDRESS: "host(d.public_address)",
    grouping.RELEASE: "d.fleet_id || ' ' || d.release",
    grouping.FLEET: "d.fleet_id",
}
TAGGED: Final = f"'{grouping.TAG} ' || %s || '=' || (d.tags ->> %s)"
LOST_AT: Final = MOMENT.format(
    what="{what}", vpn_at="d.vpn_changed_at", progressed="d.progress_changed_at", since="d.recorded_since"
)
# Those that were lost at any time in question are few, so that only they are looked at more closely.
COUNTED: Final = f"""
SELECT line.id, count(*)
FROM (SELECT * FROM devices_device d WHERE {{found}} AND ({{in_time}})) AS d,
     unnest(ARRAY[{{shares}}]) AS has(key),
     unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS line(id, key, what, last)
WHERE line.key = has.key AND (line.what = 'progress') = (d.recorded_status = ANY(%s))
  AND {LOST_AT.format(what="line.what")} BETWEEN line.last - %s AND line.last
GROUP BY line.id
"""
IN_TIME: Final = f"{LOST_AT.format(what='%s')} BETWEEN %s AND %s"
# By the index of what changed last: no status is older than the loss.
CHANGED: Final = "d.recorded_cell = ANY(%s) AND d.recorded_since >= %s"
# By the index of what progresses, which knows it to ten minutes.
STOPPED: Final = "d.recorded_status = ANY(%s) AND d.recorded_progress_at >= %s"
# What tells of any change of their statuses or links, by an index alone.
DIGEST: Final = """
SELECT count(*), bit_xor(hash_record_extended((d.id, d.recorded_cell, d.recorded_since), 0))
FROM devices_device d WHERE {found}
"""


def lost_with(
    groups: Sequence[Line],
    among: Among,
    newest: Newest,
    at: Moment,
    moved: Sequence[int] = (),
    settings: Hashable = None,
) -> Mapping[str, int]:
    """How many devices each of these groups has, with those in scope that are not shown, by its id.

    Up to MANY + 1, unless more of them are shown. `newest`: what the groups were made of. `moved`: the ids of
    all devices that moved. `settings`: a value that changes with what people do in the organizations. A query
    for those that were read, and one for those behind them, which are not counted again until one more query
    tells that something changed about these.
    """
    numbers = {line.id: line.number for line in groups}
    oldest = None if newest.exact else moment_of(newest.lost[-1].since)
    lines = [line for line in groups if oldest and _beyond(line, oldest)]
    if not lines:
        return numbers
    counts = [_among_spare(lines, among, newest, at)] if newest.spare else []
    counts += [_behind(lines, among, newest, at, moved, settings)] if newest.floor else []
    for line in lines:
        number = line.number + sum(count.get(line.id, 0) for count in counts)
        numbers[line.id] = max(line.number, min(number, MANY + 1))
    return numbers


def _among_spare(lines: Sequence[Line], among: Among, newest: Newest, at: Moment) -> Mapping[str, int]:
    """How many of the devices that were read, but are not shown, were lost with each of these lines.

    Kept until one of their rows is written.
    """
    spare = {lost.id: newest.version_of.get(lost.id, "") for lost in newest.spare}
    return LOST_WITH.numbers(
        repr(spare),
        {line.id: line.last for line in lines},
        [organization.pk for organization in among.organizations],
        at.at,
        lambda: None,  # the key tells
        partial(_count, lines, ("d.id = ANY(%s)", [list(spare)])),
    )


def _behind(
    lines: Sequence[Line],
    among: Among,
    newest: Newest,
    at: Moment,
    moved: Sequence[int],
    settings: Hashable,
) -> Mapping[str, int]:
    """How many of the devices that were not read were lost with each of these lines, kept for a while."""
    found = _found(lines, among, newest, moved)
    progress = any(line.what == "progress" for line in lines)
    return LOST_WITH.numbers(
        repr((among.recorded, newest.floor, moved, settings)),
        {line.id: line.last for line in lines},
        [organization.pk for organization in among.organizations],
        at.at,
        None if progress else partial(_digest, found),
        partial(_count, lines, found),
    )


def _beyond(line: Line, oldest: datetime) -> bool:
    """Whether devices that were lost with the group may be older: no status is older than the loss."""
    return bool(line.what) and (line.what == "progress" or line.last - TOGETHER <= oldest)


def _found(lines: Sequence[Line], among: Among, newest: Newest, moved: Sequence[int]) -> Fragment:
    """The condition of all devices `d` behind those read that any of these lines may have."""
    start = min(line.last for line in lines) - TOGETHER
    changed, params = CHANGED, [TROUBLE, start]
    if any(line.what == "progress" for line in lines):
        changed, params = f"({CHANGED} OR {STOPPED})", [*params, list(PROGRESSING), start - PROGRESS_KEPT]
    conditions = [among.recorded, (changed, params), (BEHIND, of_place(newest.floor))]
    return joined([*conditions, ("d.id <> ALL(%s)", [list(moved)])] if moved else conditions)


def _digest(found: Fragment) -> Hashable:
    sql, params = found
    with connection.cursor() as cursor:
        cursor.execute(DIGEST.format(found=sql), params)
        return repr(cursor.fetchone())


def _count(lines: Sequence[Line], found: Fragment) -> Mapping[str, int]:
    """One look at all of them: each has the keys of what it shares."""
    kinds = {line.kind for line in lines}
    tags = sorted({line.key.partition("=")[0] for line in lines if line.kind == grouping.TAG})
    shares = [f"'{kind} ' || {key}" for kind, key in SHARES.items() if kind in kinds] + [TAGGED] * len(tags)
    spans = [_span(what, lines) for what in sorted({line.what for line in lines})]
    in_time = " OR ".join([IN_TIME] * len(spans))
    sql = COUNTED.format(found=found[0], in_time=in_time, shares=", ".join(shares))
    params: list[Any] = [*found[1], *chain(*spans), *(tag for tag in tags for _ in range(2))]
    params += [line.id for line in lines], [f"{line.kind} {line.key}" for line in lines]
    params += [line.what for line in lines], [line.last for line in lines]
    params += list(PROGRESSING), TOGETHER
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return dict(cursor.fetchall())


def _span(what: str, lines: Sequence[Line]) -> list[object]:
    """The parameters of IN_TIME: the time in which devices of lines that lost this were lost."""
    last = [line.last for line in lines if line.what == what]
    return [what, what, min(last) - TOGETHER, max(last)]
