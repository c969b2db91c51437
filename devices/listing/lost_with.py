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
LOOKED_AT: Final = 4_000  # fewer devices than so many are counted by looking at all of them once

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
# A condition on `d` by index that it shares the key of a `line`, by kind; tags have no index.
SHARED: Final = {
    grouping.SERVER: "d.vpn_server_id = line.key::bigint",
    grouping.ADDRESS: "d.public_address = line.key::inet",
    grouping.RELEASE: "d.fleet_id = split_part(line.key, ' ', 1)::bigint"
    f" AND {SHARES[grouping.RELEASE]} = line.key",
    grouping.FLEET: "d.fleet_id = line.key::bigint",
}
LINES: Final = "unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS line(id, key, what, last)"
WITH_LINE: Final = f"""
(line.what = 'progress') = (d.recorded_status = ANY(%s))
AND {LOST_AT.format(what="line.what")} BETWEEN line.last - %s AND line.last
"""
# Those that were lost at any time in question, or so many of them: how many, and with which line.
COUNTED: Final = f"""
WITH d AS MATERIALIZED (
    SELECT ARRAY[{{shares}}] AS keys,
        d.recorded_status, d.recorded_since, d.vpn_changed_at, d.progress_changed_at
    FROM devices_device d WHERE {{found}} AND ({{in_time}}) LIMIT %s
)
SELECT '', count(*) FROM d
UNION ALL
SELECT line.id, count(*) FROM d, unnest(d.keys) AS has(key), {LINES}
WHERE line.key = has.key AND {WITH_LINE} GROUP BY line.id
"""
# Line by line, each up to MANY + 1.
EACH: Final = f"""
SELECT line.id, (
    SELECT count(*) FROM (
        SELECT FROM devices_device d WHERE {{shared}} AND {{found}} AND {WITH_LINE} LIMIT {MANY + 1}
    ) AS counted
) FROM {LINES}
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
    tells that something changed about these. Where very many were lost at once, another for each kind of what
    groups share.
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
    """How many devices of those `found` were lost with each of these lines, or some more than MANY.

    One look at all of them, as long as they are not very many; else line by line, but for those by tag.
    """
    looked_at, counts = _count_at_once(lines, found, LOOKED_AT)
    if looked_at < LOOKED_AT:
        return counts
    counts = {line: number for line, number in counts.items() if number > MANY}
    others = [line for line in lines if line.id not in counts]
    for kind in {line.kind for line in others}:
        of_kind = [line for line in others if line.kind == kind]
        if kind in SHARED:
            counts |= _count_each(kind, of_kind, found)
        else:
            counts |= _count_at_once(of_kind, found, None)[1]
    return counts


def _count_at_once(lines: Sequence[Line], found: Fragment, most: int | None) -> tuple[int, dict[str, int]]:
    """How many devices it looks at, `most` at most, and how many of these were lost with each line."""
    kinds = {line.kind for line in lines}
    tags = sorted({line.key.partition("=")[0] for line in lines if line.kind == grouping.TAG})
    shares = [f"'{kind} ' || {key}" for kind, key in SHARES.items() if kind in kinds] + [TAGGED] * len(tags)
    spans = [_span(what, lines) for what in sorted({line.what for line in lines})]
    in_time = " OR ".join([IN_TIME] * len(spans))
    sql = COUNTED.format(found=found[0], in_time=in_time, shares=", ".join(shares))
    params: list[Any] = [*(tag for tag in tags for _ in range(2)), *found[1], *chain(*spans), most]
    keys = [f"{line.kind} {line.key}" for line in lines]
    counts = _numbers(sql, [*params, *_columns(lines, keys), list(PROGRESSING), TOGETHER])
    return counts.pop(""), counts


def _count_each(kind: int, lines: Sequence[Line], found: Fragment) -> dict[str, int]:
    """By the index of what they share; all lines are of this kind."""
    sql = EACH.format(shared=SHARED[kind], found=found[0])
    columns = _columns(lines, [line.key for line in lines])
    return _numbers(sql, [*found[1], list(PROGRESSING), TOGETHER, *columns])


def _columns(lines: Sequence[Line], keys: Sequence[str]) -> list[Any]:
    """The parameters of LINES."""
    whats, lasts = [line.what for line in lines], [line.last for line in lines]
    return [[line.id for line in lines], keys, whats, lasts]


def _numbers(sql: str, params: Sequence[Any]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return dict(cursor.fetchall())


def _span(what: str, lines: Sequence[Line]) -> list[object]:
    """The parameters of IN_TIME: the time in which devices of lines that lost this were lost."""
    last = [line.last for line in lines if line.what == what]
    return [what, what, min(last) - TOGETHER, max(last)]
