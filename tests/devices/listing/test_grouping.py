"""Grouping nearly the same devices again gives the lines that grouping all of them anew gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from devices.listing.grouping import Line, Lost, grouped
from devices.listing.sessions import SPAN

# Few values of each, so that devices share something, or nearly do.
DEVICES = st.builds(
    Lost,
    id=st.integers(1, 40),
    uuid=st.just(""),
    name=st.just(""),
    fleet=st.integers(1, 2),
    status=st.just("offline"),
    rank=st.integers(0, 3),
    since=st.just(4 * SPAN),
    what=st.sampled_from(["vpn", "silent", "heartbeat", "progress"]),
    moment=st.integers(0, 8).map(lambda half: half * SPAN // 2),
    lost_at=st.none(),
    address=st.sampled_from([None, "203.0.113.7", "203.0.113.8"]),
    server=st.sampled_from([None, 1]),
    release=st.sampled_from(["", "1.0"]),
    tags=st.sampled_from(["{}", '{"site": "harbour"}', '{"site": "harbour", "rack": "1"}']),
)
READINGS = st.lists(DEVICES, max_size=40, unique_by=lambda lost: lost.id)


def lost_at(moment: int) -> Lost:
    """One of the devices of two fleets."""
    fleet = 1 + moment % 2
    return Lost(moment, "", "", fleet, "offline", 0, 0, "vpn", moment, None, None, None, "", "{}")


def sizes(fleets: Collection[int]) -> Mapping[int, int]:
    return dict.fromkeys(fleets, 12)


def in_order(lines: Collection[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.id)


@given(first=READINGS, changes=st.lists(READINGS, max_size=3))
def test_grouped_again_lines_are_those_of_grouping_all_anew(
    first: list[Lost], changes: list[list[Lost]]
) -> None:
    """Each change takes away a third of the devices, writes some of the others, and adds some."""
    lost, before = first, grouped(first, sizes)
    for change in changes:
        written = {device.id: device for device in change}
        stayed = [device for device in lost if device.id % 3 and device.id not in written]
        lost = [*stayed, *change]
        before = grouped(lost, sizes, before)
        assert in_order(before.lines) == in_order(grouped(lost, sizes).lines)


def test_lines_of_devices_that_nothing_happened_to_are_taken_over() -> None:
    lost = [lost_at(pk) for pk in range(12)]
    before = grouped(lost, sizes)
    after = grouped(lost[:-1], sizes, before)
    assert len(before.lines) == len(after.lines) == 2
    assert sum(any(line is other for other in before.lines) for line in after.lines) == 1
